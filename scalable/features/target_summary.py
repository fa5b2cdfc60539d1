"""One pass over the target and weight columns: classes, totals and moments, with everything checked.

The profile may come from a sample; a class of one row in a million must not be missed, so the
target is counted over all rows. One column of small integers costs next to nothing to read.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scalable.data.block import RawBlock
from scalable.data.roles import Roles, spoken
from scalable.errors import DataError, UsageError
from scalable.features.linear_column import LEAST_VARIANCE
from scalable.features.target import read_weights, target_classes, target_values

MAX_CLASSES = 1000
LEAST_JUMPS = 100.0  # expected between neighbours; fewer say nothing of the order of the rows


@dataclass(slots=True)
class TargetSummary:
    """What is known of the target over all training rows.

    Attributes
    ----------
    rows : int
        Number of rows.
    weight : float
        Sum of the sample weights (`rows` without weights).
    classes : tuple
        Sorted distinct values (classification only).
    class_weight : list of float
        Sum of the sample weights of each class.
    class_rows : list of int
        Rows of each class.
    mean, variance, minimum, maximum : float
        Weighted moments and range of a numeric target.
    single_mean : float or None
        The mean as LightGBM has it, of labels and weights in float32, where it was asked for.
    disorder : float
        How far neighbouring rows differ, as a share of how far any two rows do (von Neumann, 1941): near 1 for rows
        in no order, near 0 for rows sorted by the target.
    sampled : int or None
        Rows that were read, where the rest is concluded from a sample; None where all were.
    """

    rows: int
    weight: float
    classes: tuple[Any, ...] = ()
    class_weight: list[float] = field(default_factory=list)
    class_rows: list[int] = field(default_factory=list)
    mean: float = 0.0
    variance: float = 0.0
    minimum: float = math.nan
    maximum: float = math.nan
    single_mean: float | None = None
    disorder: float = 1.0
    sampled: int | None = None

    @property
    def unit(self) -> float:
        """Standard deviation of a numeric target; half its range where squares are beyond numbers, 1 for none.

        A constant's mean differs from it by rounding, whose squares are to be numbers, too.
        """
        known = LEAST_VARIANCE <= self.variance < math.inf
        unit = math.sqrt(self.variance) if known else 0.5 * self.maximum - 0.5 * self.minimum
        usable = 0.0 < unit < math.inf and math.isfinite(1.0 / unit)
        return unit if usable else max(1.0, sys.float_info.epsilon * abs(self.mean))

    @property
    def unvaried(self) -> str:
        """What to say where a numeric target of a first part has one value, and so no unit; empty otherwise."""
        same = self.minimum == self.maximum  # of classes both are NaN
        words = f"the target did not vary in the first {self.rows:,} rows; begin with a part in which it does"
        return words if same else ""

    def with_classes(self, classes: Any) -> TargetSummary:
        """Return the summary with all classes that will ever come, each seen once more: none starts from nothing.

        Raises
        ------
        ValueError
            When there are others among the rows.
        """
        counts = dict(zip(self.classes, self.class_weight, strict=True))
        known = tuple(np.unique(np.asarray(classes)).tolist())
        strange = [label for label in self.classes if label not in known]
        if strange:
            raise ValueError(f"y holds the label {strange[0]!r}, which is not in classes")
        return replace(self, classes=known, class_weight=[counts.get(label, 0.0) + 1.0 for label in known])

    def of_rows(self, rows: int) -> TargetSummary:
        """Return the summary of `rows` rows without weights, of which these are a sample."""
        factor = rows / self.rows
        return replace(
            self,
            rows=rows,
            weight=float(rows),
            class_weight=[weight * factor for weight in self.class_weight],
            class_rows=[round(n * factor) for n in self.class_rows],
            sampled=self.rows,
        )


@dataclass(slots=True)
class TargetState:
    """Running totals."""

    rows: int = 0
    weight: float = 0.0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    classes: dict[Any, float] = field(default_factory=dict)
    class_rows: dict[Any, int] = field(default_factory=dict)
    single: tuple[float, float] = (0.0, 0.0)
    jumps: float = 0.0  # between neighbours: changes of class, or half the squared differences
    pairs: int = 0


@dataclass(frozen=True)
class TargetReduction:
    """Reduction from raw blocks to a `TargetSummary`.

    Parameters
    ----------
    roles : Roles
        Of which target, which must be named, and weight are read.
    classify : bool
        Whether the target names classes.
    single : bool
        Whether the mean is wanted as LightGBM has it.
    root : bool
        Whether it is that of the signed square roots, as with ``reg_sqrt``.
    place : str
        The dataset, for messages.
    """

    roles: Roles
    classify: bool
    single: bool = False
    root: bool = False
    place: str = "the rows"

    def init(self) -> TargetState:
        """Return the state of no rows."""
        return TargetState()

    def step(self, state: TargetState, block: RawBlock) -> TargetState:
        """Add a block.

        Raises
        ------
        DataError
            On a null, NaN or infinite target, text where numbers are needed, or unusable weights.
        """
        name, weight = self.roles.require_target(), self.roles.weight
        array = block.arrays[name]
        w = None if weight is None else read_weights(block.arrays[weight], weight, block.where)
        part = TargetState(rows=len(array), weight=float(len(array)) if w is None else float(w.sum()))
        if self.classify:
            labels, codes = target_classes(array, name, block.where)
            rows = np.bincount(codes, minlength=len(labels))
            totals = rows if w is None else np.bincount(codes, w, minlength=len(labels))
            counted = list(zip(labels, totals.tolist(), rows.tolist(), strict=True))
            part.classes = {label: float(total) for label, total, n in counted if n}
            part.jumps, part.pairs = float(np.count_nonzero(codes[1:] != codes[:-1])), max(0, len(codes) - 1)
            part.class_rows = {label: int(n) for label, _, n in counted if n}
            return self.merge(state, part)
        values = target_values(array, name, block.where).astype(np.float64)
        _add_moments(part, values, w)
        if self.single:
            with np.errstate(all="ignore"):  # what is beyond float32 is refused where it is encoded
                label = values.astype(np.float32)
                if self.root:
                    label = np.sign(label) * np.sqrt(np.abs(label))
                single = np.ones(1, np.float32) if w is None else w.astype(np.float32)
                total = float(len(label)) if w is None else float(single.sum(dtype=np.float64))
                part.single = float((label * single).sum(dtype=np.float64)), total
        return self.merge(state, part)

    def merge(self, left: TargetState, right: TargetState) -> TargetState:
        """Return the totals of both.

        Raises
        ------
        DataError
            When the target has more distinct values than classes can be told apart.
        """
        total = left.weight + right.weight
        delta = right.mean - left.mean
        share = right.weight / total if total > 0.0 else 0.0
        classes = dict(left.classes)
        for label, weight in right.classes.items():
            classes[label] = classes.get(label, 0.0) + weight
        rows = dict(left.class_rows)
        for label, n in right.class_rows.items():
            rows[label] = rows.get(label, 0) + n
        if len(classes) > MAX_CLASSES:
            name = spoken("target", self.roles.require_target())
            raise DataError(
                f"{self.place}: {name} has more than {MAX_CLASSES:,} distinct values and is no class label; train "
                "a regressor, or choose another target"
            )
        return TargetState(
            left.rows + right.rows,
            total,
            left.mean + delta * share,
            left.m2 + right.m2 + delta * delta * left.weight * share,
            min(left.minimum, right.minimum),
            max(left.maximum, right.maximum),
            classes,
            rows,
            (left.single[0] + right.single[0], left.single[1] + right.single[1]),
            left.jumps + right.jumps,
            left.pairs + right.pairs,
        )

    def finish(self, state: TargetState) -> TargetSummary:
        """Return the summary.

        Raises
        ------
        DataError
            When there are no rows, or all weights are zero.
        """
        if not state.rows:
            raise DataError(
                f"{self.place}: no row is left: none satisfies the filters, or lies in the part of the split"
            )
        if not state.weight > 0.0:
            raise DataError(
                f"{self.place}: all sample weights are zero ({spoken('weight', str(self.roles.weight))}); nothing to "
                "learn"
            )
        if not math.isfinite(state.weight):
            raise DataError(
                f"{self.place}: the sum of {spoken('weight', str(self.roles.weight))} is not finite; scale it"
            )
        if not math.isfinite(state.mean):
            name = spoken("target", self.roles.require_target())
            raise DataError(
                f"{self.place}: {name} reaches {state.maximum!r}: its sums are not finite; scale it"
            )
        classes = tuple(sorted(state.classes))
        return TargetSummary(
            state.rows,
            state.weight,
            classes,
            [state.classes[label] for label in classes],
            [state.class_rows[label] for label in classes],
            state.mean,
            state.m2 / state.weight,
            state.minimum,
            state.maximum,
            state.single[0] / state.single[1] if state.single[1] > 0.0 else None,
            _disorder(state),
        )


def _add_moments(part: TargetState, values: Any, w: Any) -> None:
    if part.weight > 0.0:
        with np.errstate(over="ignore", invalid="ignore"):  # of squares beyond 1e308 the sum is infinite
            part.mean = float(np.average(values, weights=w))
            centred = values - part.mean
            part.m2 = float(np.sum(centred * centred if w is None else w * centred * centred))
            steps = np.diff(values)
            part.jumps, part.pairs = 0.5 * float(np.dot(steps, steps)), len(steps)
    if len(values):
        part.minimum, part.maximum = float(values.min()), float(values.max())


def _disorder(state: TargetState) -> float:
    """Return `TargetSummary.disorder`; 1 where nothing can be said."""
    if state.classes:
        shares = np.array(list(state.classes.values())) / state.weight
        expected, enough = 1.0 - float(shares @ shares), LEAST_JUMPS
    else:
        expected, enough = state.m2 / state.weight, 0.0
    expected *= state.pairs
    known = enough < expected < math.inf and math.isfinite(state.jumps)
    return min(1.0, state.jumps / expected) if known else 1.0


def check_classes(target: TargetSummary, name: str, place: str) -> int:
    """Return the number of classes; raises a DataError, which begins with the place, when there are fewer than two."""
    if len(target.classes) < 2:
        raise DataError(
            f"{place}: {spoken('target', name)} has one class only ({target.classes[0]!r}): "
            "a classifier needs two; check the target or take more rows"
        )
    fractions = [label for label in target.classes if isinstance(label, float) and label != int(label)]
    if len(target.classes) > 2 and fractions:
        raise DataError(
            f"{place}: {spoken('target', name)} is not two-valued and holds fractions such as {fractions[0]!r}: it is "
            "a quantity, not a class; train a regressor, or choose another target"
        )
    return len(target.classes)


def class_weights(given: Any, classes: tuple[Any, ...], totals: Sequence[float]) -> tuple[float, ...]:
    """Return a factor a class, or nothing for none.

    Parameters
    ----------
    given : None, "balanced" or dict
        As in scikit-learn.
    classes : tuple
        Labels.
    totals : sequence of float
        Weight of each class.

    Raises
    ------
    UsageError
        When `given` is neither None, "balanced" nor a dict of known classes.
    """
    if given is None:
        return ()
    if isinstance(given, str) and given == "balanced":
        whole = sum(totals)
        return tuple(whole / (len(classes) * total) if total > 0.0 else 0.0 for total in totals)
    if isinstance(given, dict):
        unknown = [label for label in given if label not in classes]
        if unknown:
            raise UsageError(
                f"class_weight names {unknown[0]!r}, which is not among the classes {list(classes)}"
            )
        return tuple(float(given.get(label, 1.0)) for label in classes)
    raise UsageError(f"class_weight must be None, 'balanced' or a dict, not {given!r}")
