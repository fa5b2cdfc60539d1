"""Solvers say what they need of a loss; a mismatch is explained."""

from __future__ import annotations

import numpy as np
import pytest

from scalable.errors import UsageError
from scalable.kernels.linear.losses import LOSSES
from scalable.linear import LinearSVC, SGDClassifier, SGDRegressor
from scalable.linear.solvers.choice import SOLVERS, choose

X, Y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_solved_or_the_need_is_named(name):
    loss = LOSSES[name]
    assert choose("sgd", loss, 10**9, True) == "sgd"
    assert choose("auto", loss, 10, False) == ("newton" if loss.smooth else "sgd")
    assert choose("auto", loss, 10, True) == choose("auto", loss, 10**9, False) == "sgd"
    if loss.smooth:
        assert choose("newton", loss, 8192, True) == "newton"
        with pytest.raises(
            UsageError, match=r"1,000,000,000 coefficients .*hashed columns out.*use solver='sgd'"
        ):
            choose("newton", loss, 10**9, True)
    else:
        with pytest.raises(UsageError, match=f"needs a smooth loss .* which {name} is not; use solver='sgd'"):
            choose("newton", loss, 10, False)


def test_what_solvers_need_is_in_every_record():
    for solver in SOLVERS.values():
        for need in solver.needs:
            assert all(isinstance(getattr(loss, need), bool) for loss in LOSSES.values())


def test_the_message_names_losses_of_the_same_kind():
    with pytest.raises(UsageError, match="or the loss 'log_loss' or 'squared_hinge'"):
        LinearSVC(loss="hinge", solver="newton").fit(X, Y)
    with pytest.raises(UsageError, match="or the loss 'squared_error' or 'huber'"):
        SGDRegressor("quantile", solver="newton").fit(X, Y)


def test_losses_of_the_other_kind_are_refused_by_name():
    with pytest.raises(UsageError, match=r"loss must be one of 'log_loss', .*, not 'huber'"):
        SGDClassifier("huber").fit(X, Y)
    with pytest.raises(UsageError, match="solver must be one of 'auto', 'newton', 'sgd', not 'lbfgs'"):
        SGDClassifier(solver="lbfgs").fit(X, Y)
