"""Experiments by coin: the difference of two groups, less noisy by what was known before (CUPED, Deng et al., 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.causal.estimate import Effect, columns_named, encoder_of
from scalable.data.block import Block
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.models.arrays.model import complete
from scalable.models.arrays.second_moments import Moments, SecondMoments

Arms = tuple[Moments, Moments]


def cuped(
    source: Source, assigned: str, before: Sequence[str], *, executor: Executor | None = None
) -> Effect:
    """Estimate the effect of an assignment by coin, in one pass.

    What columns of before say of the target, one slope each for both groups, is taken away; the effect stays the same
    and its error falls by the share that they explain. The coefficient is that of least squares on both.

    Parameters
    ----------
    source : Source
        With a target, a number.
    assigned : str
        Column of 0 and 1.
    before : sequence of str
        Columns that the assignment cannot have moved.

    Raises
    ------
    UsageError, DataError
        When a column cannot be used, the assignment is not 0 and 1, or a group has too few rows.

    Examples
    --------
    >>> import data_gen
    >>> from scalable import ParquetSource
    >>> from scalable.causal import cuped
    >>> manifest = data_gen.generate("effect", rows=20_000, out="effect")
    >>> lift = cuped(ParquetSource("effect/", target="target"), "coin", ["before"])
    >>> low, high = lift.interval()
    >>> low < 0.1 < high  # the truth is 0.1
    True
    """
    source = as_source(source)
    before = columns_named(source, assigned, "before", before)
    if not before:
        raise UsageError("name at least one column of before; without, take the difference of the means")
    encoder = encoder_of(source, assigned, before, "cuped")
    arms: Arms = run_reduction(
        executor or Threads(), ArmMoments(tuple(encoder.needed)), BlockReader(source, encoder), label="effect"
    )
    p = len(before)
    for arm, (n, _, _) in enumerate(arms):
        if n < p + 2:
            raise DataError(f"{source.describe_place()}: {n:.0f} rows with {assigned}={arm} are too few")
    (n0, mean0, squares0), (n1, mean1, squares1) = arms
    lapack.require_finite(squares0, squares1)
    within = squares0 + squares1
    scale = np.sqrt(np.maximum(np.diag(within)[:p], np.finfo(float).tiny))
    slopes = lapack.least_squares(within[:p, :p] / np.outer(scale, scale), within[:p, p] / scale) / scale
    weights = np.append(-slopes, 1.0)
    apart = mean1 - mean0

    def error(w: NDArray[np.float64]) -> float:
        of_arms = [float(w @ squares @ w) / (n - 1.0) / n for n, _, squares in arms]
        return float(np.sqrt(max(sum(of_arms), 0.0)))

    nothing = np.append(np.zeros(p), 1.0)
    left, total = float(weights @ within @ weights), float(within[p, p])
    explained = 1.0 - left / total if total > 0.0 else 0.0
    return Effect(
        float(weights @ apart), error(weights), int(n0 + n1), float(apart[p]), error(nothing), explained
    )


@dataclass(frozen=True)
class ArmMoments:
    """Reduction to the second moments of columns and target in both groups; the assignment is the last column."""

    names: tuple[str, ...]

    def init(self) -> Arms:
        """Return the moments of no rows."""
        nothing = SecondMoments(self.names[:-1], True).init()
        return nothing, nothing

    def step(self, state: Arms, block: Block) -> Arms:
        """Add a block.

        Raises
        ------
        DataError
            When the assignment is neither 0 nor 1.
        """
        complete(block, self.names)
        coin = block.columns[-1]
        wrong = (coin != 0.0) & (coin != 1.0)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{block.where(row)}: column {self.names[-1]!r} is {coin[row]:g}, not 0 or 1; filter such rows or name "
                "another column"
            )
        assert block.label is not None
        parts = []
        for arm in (0.0, 1.0):
            rows = coin == arm
            own = Block(
                block.columns[:-1, rows], block.ids[:, rows], block.label[rows], block.weight, block.first_row
            )
            moments = SecondMoments(self.names[:-1], True)
            parts.append(moments.step(moments.init(), own) if rows.any() else moments.init())
        return self.merge(state, (parts[0], parts[1]))

    def merge(self, left: Arms, right: Arms) -> Arms:
        """Return the moments of both."""
        moments = SecondMoments(self.names[:-1], True)
        return moments.merge(left[0], right[0]), moments.merge(left[1], right[1])

    def finish(self, state: Arms) -> Arms:
        """Return the moments."""
        return state
