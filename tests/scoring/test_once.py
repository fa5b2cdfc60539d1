"""A predictor that is asked twice for a block scores it once, unless it ranks rows by something else."""

import pickle

import numpy as np

from scalable.models.predictors import Predictor
from scalable.scoring.once import Once


class Counting:
    task = "binary"
    rank_block = Predictor.rank_block

    def __init__(self):
        self.asked = 0

    def predict_block(self, raw):
        self.asked += 1
        return np.full(3, float(self.asked))


class Ranking(Counting):
    def rank_block(self, raw):
        return np.arange(3.0)


def test_a_block_is_scored_once():
    inner, first, second = Counting(), object(), object()
    once = Once(inner)
    assert once.task == "binary"
    assert once.predict_block(first) is once.rank_block(first)
    assert (once.rank_block(second) == 2).all()
    assert inner.asked == 2


def test_what_ranks_otherwise_is_asked():
    assert (Once(Ranking()).rank_block(object()) == np.arange(3)).all()


def test_predictions_are_not_pickled():
    once = Once(Counting())
    once.predict_block(object())
    assert pickle.loads(pickle.dumps(once)).predictor.asked == 1
