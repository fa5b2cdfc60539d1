"""What a linear model does with one raw column, decided from its profile."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scalable.errors import DataError
from scalable.features.identifiers import MANY_LEVELS, named_identifier
from scalable.features.profile import ColumnProfile

ONE_HOT_LEVELS = MANY_LEVELS
HEAVY_TAIL = 20.0  # standard deviations from mean to maximum; a normal column of 1e9 rows reaches 6
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Choices of the user that planning respects.

    Attributes
    ----------
    one_hot : int
        Categories of up to this many levels get one slot a level, others are hashed.
    n_bins : int
        Slots shared by the hashed features, a power of two.
    categorical : tuple of str
        Integer columns to treat as categories.
    log : bool or tuple of str
        Whether heavy-tailed non-negative columns (or just the named ones) are log-transformed.
    missing : str
        ``"indicator"`` (mean and an indicator column) or ``"error"``.
    identifiers : bool
        Whether integer columns named like identifiers (``..._id``) are hashed.
    keep_constant : bool
        Whether a model may be fitted although no column varies.
    center : bool
        Whether numbers are centred, as suits models with an intercept.
    dtype : str
        Of the dense columns.
    """

    one_hot: int = ONE_HOT_LEVELS
    n_bins: int = 2**18
    categorical: tuple[str, ...] = ()
    log: bool | tuple[str, ...] = True
    missing: str = "indicator"
    identifiers: bool = True
    keep_constant: bool = False
    center: bool = True
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Treatment of one column.

    Attributes
    ----------
    action : str
        ``"number"`` (one dense column, two with an indicator), ``"levels"`` (a slot a level, then one
        for unseen and one for missing), ``"hash"`` or ``"drop"``.
    offset, scale : float
        A number becomes ``(x - offset) / scale``, after the logarithm if there is one.
    log_unit : float or None
        A number becomes ``log(1 + x / log_unit)`` first.
    fill : float
        What a missing value becomes: the mean, standardised.
    indicator : bool
        Whether a second column says which values were missing.
    missing_rate : float
        Share of missing values in training; centres the indicator.
    levels, shares : tuple
        Known levels and the share of the rows that have each.
    calendar : tuple of str
        Parts of a time that are categories too: ``"hour"``, ``"weekday"``.
    day_ticks : float
        Units of a time column a day.
    local : float
        Share of the variance that lies within blocks of the training rows, see `ColumnProfile`.
    """

    name: str
    arrow_type: str
    kind: str
    action: str
    reason: str = ""
    offset: float = 0.0
    scale: float = 1.0
    log_unit: float | None = None
    fill: float = 0.0
    indicator: bool = False
    missing_rate: float = 0.0
    forbid_missing: bool = False
    levels: tuple[Any, ...] = ()
    shares: tuple[float, ...] = ()
    calendar: tuple[str, ...] = ()
    day_ticks: float = _DAY_SECONDS
    local: float = 1.0

    @property
    def n_columns(self) -> int:
        """Number of dense columns."""
        return 1 + self.indicator if self.action == "number" else 0

    @property
    def simple(self) -> bool:
        """Whether it is a number that is standardised, after its logarithm perhaps, and nothing else."""
        return self.action == "number" and not self.indicator and not self.calendar

    @property
    def n_ids(self) -> int:
        """Number of slots a row has in this feature."""
        return len(self.calendar) if self.action == "number" else int(self.action in ("levels", "hash"))

    @property
    def n_own_slots(self) -> int:
        """Number of slots that belong to this feature alone."""
        return len(self.slot_names)

    @property
    def column_scales(self) -> list[float]:
        """Raw units per unit of each dense column."""
        return [self.scale, 1.0][: self.n_columns]

    @property
    def column_offsets(self) -> list[float]:
        """Raw value at which each dense column is 0."""
        return [self.offset, self.missing_rate][: self.n_columns]

    @property
    def column_names(self) -> list[str]:
        """Names of the dense columns."""
        main = f"log({self.name})" if self.log_unit is not None else self.name
        return [main, f"{self.name} is missing"][: self.n_columns]

    @property
    def slot_names(self) -> list[str]:
        """Names of the slots that belong to this feature alone."""
        if self.action == "levels":
            return [f"{self.name}={level}" for level in (*self.levels, "(other)", "(missing)")]
        parts = {"hour": range(24), "weekday": range(7)}
        return [f"{self.name}.{part}={k}" for part in self.calendar for k in (*parts[part], "(missing)")]

    @property
    def slot_shares(self) -> list[float]:
        """Share of the rows that have each of the own slots."""
        if self.action == "levels":
            return [*self.shares, 0.0, self.missing_rate]
        parts = {"hour": 24, "weekday": 7}
        return [
            s for part in self.calendar for s in (*([1.0 / parts[part]] * parts[part]), self.missing_rate)
        ]

    def describe(self, n_bins: int) -> str:
        """Return what is done, in one line."""
        if self.action == "drop":
            return f"dropped ({self.reason})"
        if self.action == "levels":
            return f"one-hot, {len(self.levels)} levels"
        if self.action == "hash":
            return f"hashed into {n_bins:,} shared bins ({self.reason})"
        text = "0/1, standardised" if self.kind == "boolean" else "standardised"
        if self.kind == "temporal":
            text = f"epoch offset by {self.offset:.0f}, standardised"
        if self.log_unit is not None:
            text = f"log(1 + x/{self.log_unit:.3g}), {text} (heavy tail)"
        if self.indicator:
            text += f"; {self.missing_rate:.1%} missing -> mean and an indicator"
        return text + "".join(f"; {part} one-hot" for part in self.calendar)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColumnPlan:
        """Rebuild a plan from `to_json`."""
        fixed = {key: tuple(data[key]) for key in ("levels", "shares", "calendar")}
        return cls(**{**data, **fixed})


def plan_column(column: ColumnProfile, options: EncoderOptions) -> ColumnPlan:
    """Decide what to do with a column.

    Raises
    ------
    DataError
        When it holds infinite values, or missing ones although `options` forbids them.
    """
    name = column.name
    base = (name, column.arrow_type, column.kind)
    if column.infinite:
        raise DataError(
            f"column {name!r} holds {column.infinite:,} infinite values (inf); "
            "clean the column or leave it out of the features"
        )
    if column.missing and options.missing == "error":
        raise DataError(
            f"column {name!r} contains {column.missing:,} NaN or missing values; "
            "fill them, leave the column out, or set missing='indicator'"
        )
    if column.missing == column.rows:
        return ColumnPlan(*base, "drop", "all values are missing")
    if (
        column.constant
        and not column.missing
        and (options.center or column.maximum == 0.0 or column.kind == "text")
    ):
        return ColumnPlan(*base, "drop", "constant")
    category = column.kind == "text" or (column.kind == "integer" and name in options.categorical)
    if category and column.levels is not None and len(column.levels) <= options.one_hot:
        counted = sorted(column.levels)
        return ColumnPlan(
            *base,
            "levels",
            levels=tuple(value for value, _ in counted),
            shares=tuple(count / column.rows for _, count in counted),
            missing_rate=column.missing / column.rows,
        )
    if category:
        found = "more than 1,024" if column.levels is None else f"{len(column.levels):,}"
        return ColumnPlan(*base, "hash", f"{found} levels")
    if column.kind == "integer" and _is_identifier(column, options):
        return ColumnPlan(*base, "hash", "an identifier by its name and many values")
    return _plan_number(column, options)


def _is_identifier(column: ColumnProfile, options: EncoderOptions) -> bool:
    many = column.levels is None or len(column.levels) > options.one_hot
    return options.identifiers and many and named_identifier(column.name)


def _plan_number(column: ColumnProfile, options: EncoderOptions) -> ColumnPlan:
    offset, scale = column.mean, math.sqrt(max(column.variance, 0.0))
    log_unit = None
    named = options.log if isinstance(options.log, tuple) else ()
    wanted = column.name in named or (options.log is True and column.kind in ("integer", "float"))
    if wanted and column.minimum >= 0.0 and scale > 0.0:
        heavy = column.maximum > column.mean + HEAVY_TAIL * scale
        if heavy or column.name in named:
            # The logarithm's own moments are not in the profile; at the mean it is log 5, spread about 1.
            log_unit, offset, scale = column.mean / 4.0, math.log(5.0), 1.0
    if not options.center:
        scale, offset = math.hypot(offset, scale), 0.0
    if not (scale > 0.0 and math.isfinite(1.0 / scale) and math.isfinite(scale)):
        scale = 1.0
    calendar, ticks = _calendar(column)
    return ColumnPlan(
        column.name,
        column.arrow_type,
        column.kind,
        "number",
        offset=offset,
        scale=scale,
        log_unit=log_unit,
        fill=0.0 if options.center or log_unit is not None else column.mean / scale,
        indicator=column.missing > 0,
        missing_rate=column.missing / max(1, column.rows),
        forbid_missing=options.missing == "error",
        calendar=calendar,
        day_ticks=ticks,
        local=column.local,
    )


def _calendar(column: ColumnProfile) -> tuple[tuple[str, ...], float]:
    """Return the calendar parts a time column spans often enough to learn from, and its ticks a day."""
    kind = column.arrow_type
    if not kind.startswith(("timestamp", "date")):
        return (), _DAY_SECONDS
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    unit = re.match(r"timestamp\[(\w+)", kind)
    if unit:
        ticks = _DAY_SECONDS * per_second[unit.group(1)]
    else:
        ticks = 1.0 if kind.startswith("date32") else _DAY_SECONDS * 1e3
    days = (column.maximum - column.minimum) / ticks
    parts = [("hour", unit is not None and days >= 2.0), ("weekday", days >= 14.0)]
    return tuple(part for part, wanted in parts if wanted), ticks
