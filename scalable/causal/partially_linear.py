"""Double machine learning of a partially linear model (Chernozhukov et al., 2018): two passes over any number of rows.

What the controls say of target and cause is learned on the other folds and taken away; the slope between what is left
is the effect. With linear nuisances a Gram a fold gives all of it, for a fold's complement is the sum of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.causal.estimate import Effect, columns_named, encoder_of
from scalable.data.block import Block, RawBlock
from scalable.data.roles import Roles
from scalable.data.selection import Part, divide
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import DataError, UsageError, whole_number
from scalable.evaluate.cross_validation import folds as folds_of
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.features.number_encoder import NumberEncoder
from scalable.models.arrays.model import complete
from scalable.models.arrays.second_moments import Moments, SecondMoments

Lines = tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]  # a fold: intercepts (2,), slopes (p, 2)
Nuisances = tuple[Any, Any]  # unfitted learners, of the target and of the cause
POWERS = (
    (0, 1),
    (1, 0),
    (1, 1),
    (0, 2),
    (2, 0),
    (2, 2),
    (1, 3),
    (0, 4),
)  # of what is left of target and cause


def double_ml(
    source: Source,
    cause: str,
    *,
    controls: Sequence[str] | None = None,
    nuisances: Nuisances | None = None,
    n_folds: int = 5,
    by: str | None = None,
    seed: int = 0,
    executor: Executor | None = None,
) -> Effect:
    """Estimate the effect of a column on the target, all else that is seen being equal.

    Parameters
    ----------
    source : Source
        With a target, a number.
    cause : str
        Column of numbers, 0 and 1 for a treatment.
    controls : sequence of str, optional
        Columns that may move both; by default all features but the cause.
    nuisances : (learner, learner), optional
        Unfitted regressors of target and cause, trained on each fold's complement (a source); by default least squares,
        in one pass for all folds.
    n_folds, by, seed
        As of `scalable.evaluate.folds`: equal values of the column `by` stay together.

    Returns
    -------
    Effect
        Its error is robust to uneven noise (HC1).

    Raises
    ------
    UsageError, DataError
        When a column cannot be used, rows are too few, or the controls determine the cause.

    Examples
    --------
    >>> import data_gen
    >>> from scalable import ParquetSource
    >>> from scalable.causal import double_ml
    >>> manifest = data_gen.generate("effect", rows=20_000, out="effect")
    >>> source = ParquetSource("effect/", target="target")
    >>> controls = [name for name in source.feature_names if name.startswith("x_")]
    >>> effect = double_ml(source, "treatment", controls=controls)
    >>> low, high = effect.interval()
    >>> low < 0.5 < high  # the truth is 0.5
    True
    """
    source, run = as_source(source), executor or Threads()
    whole_number("n_folds", n_folds, 2)
    if controls is None:
        controls = [name for name in source.feature_names if name != cause]
    names = columns_named(source, cause, "controls", controls)
    parts = tuple(divide([1.0] * n_folds, by, seed))
    encoder = encoder_of(source, cause, names if nuisances is None else [], "double_ml")
    more = [] if by is None else [by]
    rest: _Linear | _Learned
    if nuisances is None:
        columns = tuple(encoder.needed)
        reader = BlockReader(
            source, columns=tuple(dict.fromkeys([*columns, source.roles.require_target(), *more]))
        )
        states = run_reduction(run, FoldMoments(columns, encoder, parts), reader, label="nuisances")
        rest = _Linear(encoder, parts, tuple(_line(states, k, source) for k in range(n_folds)))
    else:
        rest, columns = _learned(source, cause, names, nuisances, encoder, n_folds, by, seed)
        reader = BlockReader(
            source, columns=tuple(dict.fromkeys([*columns, source.roles.require_target(), *more]))
        )
    sums = run_reduction(run, Residuals(rest), reader, label="effect")
    return _effect(cause, sums)


@dataclass(frozen=True)
class FoldMoments:
    """Reduction to the second moments of controls, cause and target in every fold.

    Parameters
    ----------
    names : tuple of str
        Controls, then the cause.
    encoder : NumberEncoder
    parts : tuple of Part
    """

    names: tuple[str, ...]
    encoder: NumberEncoder
    parts: tuple[Part, ...]

    def init(self) -> list[Moments]:
        """Return the moments of no rows."""
        return [SecondMoments(self.names, True).init() for _ in self.parts]

    def step(self, state: list[Moments], raw: RawBlock) -> list[Moments]:
        """Add a block."""
        moments, block = SecondMoments(self.names, True), self.encoder.encode(raw)
        complete(block, self.names)
        found = []
        for part, before in zip(self.parts, state, strict=True):
            rows = part.mask(raw)
            found.append(moments.step(before, _of_rows(block, rows)) if rows.any() else before)
        return found

    def merge(self, left: list[Moments], right: list[Moments]) -> list[Moments]:
        """Return the moments of both."""
        moments = SecondMoments(self.names, True)
        return [moments.merge(a, b) for a, b in zip(left, right, strict=True)]

    def finish(self, state: list[Moments]) -> list[Moments]:
        """Return the moments."""
        return state


@dataclass(frozen=True)
class Residuals:
    """Reduction to sums of products of what is left of target and cause, and the moments of the cause itself."""

    rest: Any

    def init(self) -> NDArray[np.float64]:
        """Return zeros: rows, `POWERS`, then sums for the plain slope."""
        return np.zeros(1 + len(POWERS) + 5)

    def step(self, state: NDArray[np.float64], raw: RawBlock) -> NDArray[np.float64]:
        """Add a block."""
        left, t, y = self.rest(raw)
        powers = [float((left[0] ** a) @ (left[1] ** b)) for a, b in POWERS]
        plain = [float(t.sum()), float(y.sum()), float(t @ t), float(t @ y), float(y @ y)]
        return np.asarray(state + np.array([raw.n_rows, *powers, *plain]))

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of both."""
        return left + right

    def finish(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums."""
        return state


@dataclass(frozen=True)
class _Linear:
    """What lines of the other folds leave of each row's target and cause, (2, n_rows); and cause and target."""

    encoder: NumberEncoder
    parts: tuple[Part, ...]
    lines: Lines

    def __call__(self, raw: RawBlock) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        block = self.encoder.encode(raw)
        assert block.label is not None
        x, both = block.columns[:-1], np.stack([block.label, block.columns[-1]])
        left = both.astype(np.float64)
        for part, (intercepts, slopes) in zip(self.parts, self.lines, strict=True):
            rows = part.mask(raw)
            left[:, rows] -= intercepts[:, None] + slopes.T @ x[:, rows]
        return left, block.columns[-1], block.label


@dataclass(frozen=True)
class _Learned:
    """The same of trained models, two a fold."""

    encoder: NumberEncoder
    parts: tuple[Part, ...]
    models: tuple[tuple[Any, Any], ...]
    roles: Roles

    def __call__(self, raw: RawBlock) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        block = self.encoder.encode(raw)
        assert block.label is not None
        left = np.stack([block.label, block.columns[-1]]).astype(np.float64)
        for part, pair in zip(self.parts, self.models, strict=True):
            rows = part.mask(raw)
            for row, model in zip(left, pair, strict=True):
                row[rows] -= model.predict_block(raw)[rows]
        return left, block.columns[-1], block.label


def _learned(
    source: Source, cause: str, names: Sequence[str], nuisances: Nuisances, encoder: NumberEncoder, n: int,
    by: str | None, seed: int,
) -> tuple[_Learned, tuple[str, ...]]:  # fmt: skip
    """Train both models on the complement of every fold."""
    from sklearn.base import clone

    target = source.roles.require_target()
    models, parts = [], tuple(divide([1.0] * n, by, seed))
    for train, _ in folds_of(source, n, by=by, seed=seed):
        pair = []
        for learner, goal in zip(nuisances, (target, cause), strict=True):
            mine = train.with_shards(train.shards)
            mine.roles, mine.feature_names = replace(train.roles, target=goal), list(names)
            pair.append(clone(learner).fit(mine).predictor())
        if any(model.classes is not None for model in pair):
            raise UsageError(
                "nuisances are regressors; of a treatment of 0 and 1 the mean is its probability"
            )
        models.append((pair[0], pair[1]))
    needed = tuple(
        dict.fromkeys([*encoder.needed, *(name for pair in models for m in pair for name in m.needed)])
    )
    return _Learned(encoder, parts, tuple(models), source.roles), needed


def _line(states: list[Moments], k: int, source: Source) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intercepts and slopes of target and cause on the controls, of all folds but one."""
    moments: Callable[[Moments, Moments], Moments] = SecondMoments(()).merge
    others = [state for j, state in enumerate(states) if j != k]
    whole = others[0]
    for other in others[1:]:
        whole = moments(whole, other)
    n, mean, squares = whole
    p = len(mean) - 2
    if n < p + 2:
        raise DataError(
            f"{source.describe_place()}: {n:.0f} rows of {len(states) - 1} folds are too few for {p} controls"
        )
    order = [p + 1, p]  # the target, then the cause
    scale = np.sqrt(np.maximum(np.diag(squares)[:p], np.finfo(float).tiny))
    gram = squares[:p, :p] / np.outer(scale, scale)
    slopes = np.column_stack([lapack.least_squares(gram, squares[:p, j] / scale) / scale for j in order])
    return mean[order] - slopes.T @ mean[:p], slopes


def _effect(cause: str, sums: NDArray[np.float64]) -> Effect:
    lapack.require_finite(sums)
    n, (st, sy, tt, ty, yy) = float(sums[0]), sums[-5:]
    found = dict(zip(POWERS, sums[1:-5].tolist(), strict=True))
    if n < 3.0:
        raise DataError(f"n_samples={n:.0f}: an effect needs three rows or more")
    spread = tt - st * st / n
    left = found[0, 2]
    if not spread > 0.0 or left <= 1e-10 * spread:
        raise DataError(
            f"column {cause!r} does not vary once the controls are known: rows that differ in nothing else are needed"
        )
    coef = found[1, 1] / left
    scores = found[2, 2] - 2.0 * coef * found[1, 3] + coef * coef * found[0, 4]
    slope = (ty - st * sy / n) / spread
    around = max(yy - sy * sy / n - slope * slope * spread, 0.0)
    return Effect(
        float(coef), float(np.sqrt(max(scores, 0.0) * n / (n - 1.0)) / left), int(n), float(slope),
        float(np.sqrt(around / (n - 2.0) / spread)), float(1.0 - left / spread),
    )  # fmt: skip


def _of_rows(block: Block, rows: NDArray[np.bool_]) -> Block:
    assert block.label is not None
    return Block(block.columns[:, rows], block.ids[:, rows], block.label[rows], block.weight, block.first_row)
