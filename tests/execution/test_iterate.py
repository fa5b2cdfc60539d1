"""Iterate: passes until converged, stuck or out of passes; a resumed run ends as an uninterrupted one."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.execution.iterate import Iterate, iterate
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from tests.execution.conftest import NAMES, table
from tests.execution.tasks import FloatSums


@dataclass(frozen=True, kw_only=True)
class Guess(Iterate):
    mean: np.ndarray
    steps: int = 0


@dataclass(frozen=True)
class HalfWay:
    """Moves half way to the columns' means with every pass: what is left halves."""

    n_rows: int
    tol: float
    stuck_after: int = 10**6

    def reduction(self, state):
        return FloatSums(NAMES)

    def update(self, state, sums):
        mean = 0.5 * (state.mean + sums["sums"].astype(np.float64) / self.n_rows)
        left = float(np.abs(mean - state.mean).max())
        steps = state.steps + 1
        return replace(
            state,
            mean=mean,
            steps=steps,
            objective=left,
            converged=left < self.tol,
            stuck=steps >= self.stuck_after,
        )


class Memory:
    """A checkpoint that keeps what it is given, as bytes."""

    def __init__(self):
        self.kept = None

    def read(self, stage):
        return None if self.kept is None or self.kept[0] != stage else pickle.loads(self.kept[1])

    def write(self, stage, state, arrays):
        self.kept = stage, pickle.dumps((dict(state), dict(arrays)))


ROWS = 20_000
START = Guess(mean=np.zeros(3))


@pytest.fixture(scope="module")
def reader():
    return BlockReader(TableSource(table(ROWS)))


def run(reader, tol=1e-3, max_iter=100, checkpoint=None, **options):
    return iterate(
        Threads(2),
        HalfWay(ROWS, tol, **options),
        START,
        reader,
        max_iter=max_iter,
        stage="s",
        checkpoint=checkpoint,
    )


def test_it_ends_when_converged(reader):
    done = run(reader)
    means = [table(ROWS)[name].to_numpy().mean() for name in NAMES]
    np.testing.assert_allclose(done.state.mean, means, rtol=1e-3)
    assert done.converged
    assert done.n_iter == len(done.history) == done.state.steps
    assert done.history[-1] < 1e-3 <= done.history[-2]
    np.testing.assert_allclose(done.history[1:], 0.5 * np.array(done.history[:-1]), rtol=1e-9)


def test_it_ends_after_the_most_passes_or_when_stuck_and_says_so(reader):
    assert (run(reader, max_iter=3).n_iter, run(reader, max_iter=3).converged) == (3, False)
    stuck = run(reader, stuck_after=2)
    assert (stuck.n_iter, stuck.converged, stuck.state.stuck) == (2, False, True)


def test_a_resumed_run_ends_as_one_that_was_never_interrupted(reader):
    whole, kept = run(reader, checkpoint=Memory()), Memory()

    class Interrupted(Memory):
        def write(self, stage, state, arrays):
            super().write(stage, state, arrays)
            kept.kept = self.kept
            if state["n_iter"] == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(reader, checkpoint=Interrupted())
    resumed = run(reader, checkpoint=kept)
    assert resumed.state.mean.tobytes() == whole.state.mean.tobytes()
    assert (resumed.n_iter, resumed.history, resumed.state.steps) == (
        whole.n_iter,
        whole.history,
        whole.state.steps,
    )


def test_a_checkpoint_of_another_version_is_refused(reader):
    kept = Memory()
    kept.write("s", {"best": 1.0, "passes": 3}, {"coef": np.zeros(3)})
    with pytest.raises(UsageError, match="another version"):
        run(reader, checkpoint=kept)
    kept.write("other stage", {}, {})
    assert run(reader, checkpoint=kept).converged
