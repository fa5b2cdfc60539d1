"""Replicas: merged as NumPy would, the same bits whoever does the work, resumed, and as good as one."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import UsageError
from scalable.kernels.neural.batch_loss import LOGISTIC
from scalable.minibatches.mix import Batch
from scalable.neural import MLPClassifier, rounds
from scalable.neural.network import Network, Shape
from scalable.neural.training import Settings, Training

quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    random = np.random.default_rng(0)
    n = 6_000
    x, kind = random.normal(size=(2, n)).astype(np.float32), random.integers(0, 5, n)
    y = x[0] * np.where(kind % 2, 1.0, -1.0) + 0.3 * random.normal(size=n) > 0.0
    folder = tmp_path_factory.mktemp("rows")
    table = pa.table({"a": x[0], "b": x[1], "kind": pa.array([f"k{k}" for k in kind]), "y": y})
    pq.write_table(table, folder / "a.parquet", row_group_size=1_000)
    return ParquetSource(str(folder), target="y")


@pytest.fixture
def short_rounds(monkeypatch):
    """Three rounds an epoch of two replicas."""
    monkeypatch.setattr(rounds, "ROUND_ROWS", 1_000)


def begun(n_ids=1):
    network = Network(Shape(2, n_ids, 4, (3,), 1, norm="batch", embedding=2))
    network.initialise(np.random.default_rng(0))
    return Training(network, Settings(), LOGISTIC)


def batch_of(ids, seed):
    random = np.random.default_rng(seed)
    ids = np.array(ids, np.int32)[:, None]
    X = random.standard_normal((len(ids), 2), np.float32)
    return Batch(X, random.integers(0, 2, len(ids)), ids, None)


def test_a_merge_is_the_mean_and_of_embeddings_that_of_those_who_had_them():
    start = begun()
    before = start.replica(0, 1)
    replicas = [start.replica(k, 2) for k in range(2)]
    losses = [replicas[0].step(batch_of([0, 1, 1], 1), 0.01), replicas[1].step(batch_of([1, 2, 2], 2), 0.01)]
    rounds.merge(start, replicas)
    one, two = (replica.network for replica in replicas)
    np.testing.assert_allclose(start.network.vector, (one.vector + two.vector) / 2.0, rtol=1e-6)
    mean = (one.moments["mean_0"] + two.moments["mean_0"]) / 2.0
    np.testing.assert_allclose(start.network.moments["mean_0"], mean, rtol=1e-6)
    table = start.network.table
    np.testing.assert_allclose(table[0], one.table[0], rtol=1e-6)
    np.testing.assert_allclose(table[1], (one.table[1] + two.table[1]) / 2.0, rtol=1e-6)
    np.testing.assert_allclose(table[2], two.table[2], rtol=1e-6)
    assert np.array_equal(table[3], before.network.table[3])
    np.testing.assert_allclose(start.table_moments[1, 2], replicas[1].table_moments[1, 2], rtol=1e-6)
    np.testing.assert_allclose(start.moments, (replicas[0].moments + replicas[1].moments) / 2.0, rtol=1e-6)
    assert (start.course.step, start.course.weight) == (1, 6.0)
    assert start.course.loss == pytest.approx(3.0 * sum(losses))
    assert not np.array_equal(before.network.vector, start.network.vector)


def test_a_copied_network_goes_on_learning():
    one = begun()
    two = pickle.loads(pickle.dumps(one))
    for training in (one, two):
        training.step(batch_of([0, 1, 3], 0), 0.1)
    assert np.array_equal(one.network.vector, two.network.vector)
    assert np.array_equal(one.network.arrays["weights_0"], two.network.arrays["weights_0"])


@quietly
def test_threads_and_workers_give_the_same_bits(source, short_rounds, dask_client, two_blas_threads):
    given = {
        "max_iter": 2,
        "batch_size": 64,
        "dropout": 0.1,
        "early_stopping": True,
        "n_replicas": 3,
        "pieces": 8,
    }
    models = [
        MLPClassifier(**given, n_workers=1).fit(source),
        MLPClassifier(**given, n_workers=2).fit(source),
        MLPClassifier(**given, n_workers=4).fit(source),
        MLPClassifier(**{**given, "n_replicas": 2}).fit(source),
    ]
    models.append(MLPClassifier(**given, client=dask_client).fit(source))
    first, *others = (model.predict_proba(source) for model in models)
    same = [np.array_equal(first, other) for other in others]
    assert same == [True, True, False, True]
    assert models[0].loss_curve_ == models[4].loss_curve_


@quietly
def test_replicas_learn_as_one_does(source, short_rounds):
    given = {"hidden_layer_sizes": (32,), "batch_size": 32, "max_iter": 12, "learning_rate_init": 5e-3}
    one, three = (MLPClassifier(**given, n_replicas=n).fit(source) for n in (1, 3))
    y = pq.read_table(source.paths)["y"].to_numpy(zero_copy_only=False)
    scores = [(model.predict(source) == y).mean() for model in (one, three)]
    assert scores[1] > scores[0] - 0.02 > 0.8
    assert three.t_ == pytest.approx(one.t_ / 3.0, rel=0.05)


@quietly
def test_a_broken_training_goes_on_to_the_same_bits(source, short_rounds, tmp_path, monkeypatch):
    given = {"max_iter": 3, "batch_size": 100, "dropout": 0.1, "n_replicas": 2, "early_stopping": True}
    whole = MLPClassifier(**given).fit(source)
    monkeypatch.setattr(rounds, "CHECKPOINT_SECONDS", 0.0)
    merges, merge = [], rounds.merge

    def breaking(*args):
        if len(merges) == 4:  # in the second round of the second epoch
            raise KeyboardInterrupt
        merges.append(1)
        merge(*args)

    monkeypatch.setattr(rounds, "merge", breaking)
    where = {"checkpoint": str(tmp_path / "c"), "resume": True}
    with pytest.raises(KeyboardInterrupt):
        MLPClassifier(**given, **where).fit(source)
    begun_again = []
    monkeypatch.setattr(rounds, "merge", lambda *args: (begun_again.append(1), merge(*args)))
    again = MLPClassifier(**given, **where).fit(source)
    assert len(begun_again) == 3 * 3 - 4
    assert again.loss_curve_ == whole.loss_curve_
    assert np.array_equal(again.predict_proba(source), whole.predict_proba(source))


def test_what_is_refused(source, dask_client):
    with pytest.raises(UsageError, match="one replica is trained in this process"):
        MLPClassifier(client=dask_client).fit(source)
    with pytest.raises(UsageError, match="n_replicas must be"):
        MLPClassifier(n_replicas=0).fit(source)
    with pytest.raises(UsageError, match="partial_fit trains one replica"):
        MLPClassifier(n_replicas=2).partial_fit(source)
