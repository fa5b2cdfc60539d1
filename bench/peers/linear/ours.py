"""Our own: one pass of normalised descent, and Newton; and the bare decode that bounds both."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner, Unfit
from bench.peers.task import Task

_LOGS = "heavy-tailed columns become logarithms by default, which the others do not do"


class _Ours(Learner):
    packages: ClassVar[tuple[str, ...]] = ("scalable-training",)
    solver: ClassVar[str]

    def train(self, task: Task) -> Any:
        """Train."""
        from scalable.linear import LogisticRegression

        model = LogisticRegression(solver=self.solver, random_state=0, n_workers=task.threads)
        return model.fit(task.source), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        trained, features = model
        return np.asarray(trained.predict_proba(rows.select(features))[:, 1])


class Descent(_Ours):
    """``LogisticRegression(solver="sgd")``."""

    solver = "sgd"
    note = f"one pass from a million rows on, more below; {_LOGS}"


class Newton(_Ours):
    """``LogisticRegression(solver="newton")``."""

    solver = "newton"
    note = _LOGS

    def train(self, task: Task) -> Any:
        """Train, unless there are more coefficients than its matrix may have."""
        from scalable.errors import UsageError

        try:
            return super().train(task)
        except UsageError as reason:
            raise Unfit(f"--exclude hashed columns, such as identifiers, to compare it: {reason}") from reason


class Scan(Learner):
    """Decodes the columns and learns nothing: what no trainer can beat."""

    packages: ClassVar[tuple[str, ...]] = ("scalable-training",)
    note = "decodes the same columns by the same reader and learns nothing"

    def train(self, task: Task) -> int:
        """Decode all training rows."""
        from concurrent.futures import ThreadPoolExecutor

        source = task.source

        def decode(shard: Any) -> int:
            return sum(block.n_rows for block in source.raw_blocks(shard))

        with ThreadPoolExecutor(task.threads) as pool:
            return sum(pool.map(decode, source.shards))

    def predict(self, model: Any, rows: Any) -> None:
        """Nothing was learned."""
