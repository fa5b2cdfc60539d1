"""What a linear model does with one raw column, decided from its profile."""

from __future__ import annotations

import math
import re
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scalable.errors import DataError, DataWarning, UsageError
from scalable.features.categories import PARTS
from scalable.features.hashing import MANY, named_identifier
from scalable.features.profile import ColumnProfile
from scalable.features.state import check_categories, check_columns
from scalable.storage.documents import typed

ACTIONS = ("number", "known", "hashed", "drop")
MISSING = ("indicator", "error")
ONE_HOT = MANY
HEAVY_TAIL = 20.0  # standard deviations from mean to maximum; a normal column of 1e9 rows reaches 6
LEAST_VARIANCE = 1000 * 5e-324  # below, squares have lost more than a thousandth, or all of themselves
_DAY_SECONDS = 86_400.0
_MOST_TICKS = _DAY_SECONDS * 1e9  # a day, of nanoseconds


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Choices of the user that planning respects.

    Attributes
    ----------
    one_hot : int
        Columns of up to this many categories get a feature index for each, others are hashed.
    n_buckets : int
        Feature indices shared by the hashed columns, a power of two.
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

    one_hot: int = ONE_HOT
    n_buckets: int = 2**18
    categorical: tuple[str, ...] = ()
    log: bool | tuple[str, ...] = True
    missing: str = "indicator"
    identifiers: bool = True
    keep_constant: bool = False
    center: bool = True
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.missing not in MISSING:
            raise UsageError(f"missing must be one of {', '.join(map(repr, MISSING))}, not {self.missing!r}")


@dataclass(frozen=True, slots=True)
class LinearColumn:
    """Treatment of one column.

    Attributes
    ----------
    action : str
        ``"number"`` (one dense column, two with an indicator), ``"known"`` (a feature index for each category, then
        one for unseen and one for missing), ``"hashed"`` or ``"drop"``.
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
    categories, shares : tuple
        Known categories and the share of the rows that have each.
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
    categories: tuple[Any, ...] = ()
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
        """Feature indices that a row has of this column."""
        return len(self.calendar) if self.action == "number" else int(self.action in ("known", "hashed"))

    @property
    def n_known(self) -> int:
        """Number of feature indices that belong to this column alone."""
        return len(self.category_names)

    @property
    def salt(self) -> int:
        """What tells its categories apart from other columns' that share buckets."""
        return zlib.crc32(self.name.encode())

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
    def category_names(self) -> list[str]:
        """Names of the feature indices that belong to this column alone."""
        if self.action == "known":
            return [f"{self.name}={category}" for category in (*self.categories, "(other)", "(missing)")]
        return [
            f"{self.name}.{part}={k}" for part in self.calendar for k in (*range(PARTS[part]), "(missing)")
        ]

    @property
    def category_shares(self) -> list[float]:
        """Share of the rows that have each of the own feature indices."""
        if self.action == "known":
            return [*self.shares, 0.0, self.missing_rate]
        return [
            s for part in self.calendar for s in (*([1.0 / PARTS[part]] * PARTS[part]), self.missing_rate)
        ]

    def describe(self, n_buckets: int) -> str:
        """Return what is done, in one line."""
        if self.action == "drop":
            return f"dropped ({self.reason})"
        if self.action == "known":
            return f"one-hot, {len(self.categories)} categories"
        if self.action == "hashed":
            return f"hashed into {n_buckets:,} shared buckets ({self.reason})"
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
    def from_json(cls, data: Mapping[str, Any]) -> LinearColumn:
        """Rebuild a column from `to_json`.

        Raises
        ------
        TypeError, ValueError
            When nothing could be treated so.
        """
        found = typed(cls, data)
        if found.action not in ACTIONS:
            raise ValueError(f"column {found.name!r} is treated as {found.action!r}")
        if found.action != "drop":
            found._check()
        return found

    def _check(self) -> None:
        """Raise ValueError or TypeError where a value could not be encoded, or to places outside the column's own."""
        check_columns([(self.name, self.arrow_type, self.kind)])
        number, times = self.action == "number", self.arrow_type.startswith(("timestamp", "date"))
        known = {"number": self.kind != "text", "known": True, "hashed": self.kind in ("text", "integer")}
        if self.action == "known":
            check_categories(self.kind, self.categories)
        used = (self.offset, self.scale, self.fill, self.missing_rate, *self.shares)
        good = known[self.action] and all(map(math.isfinite, used)) and self.scale > 0.0
        good = (
            good
            and math.isfinite(1.0 / self.scale)
            and not (self.log_unit is not None and not self.log_unit > 0.0)
        )
        good = good and len(self.shares) == len(self.categories)
        parts = tuple(part for part in PARTS if part in self.calendar)
        good = good and self.calendar == parts and (not parts or (number and times))
        if not good or not 1.0 <= self.day_ticks <= _MOST_TICKS or not self.day_ticks.is_integer():
            raise ValueError(f"column {self.name!r} cannot be treated as its description says")


def plan_column(column: ColumnProfile, options: EncoderOptions) -> LinearColumn:
    """Decide what to do with a column that holds nothing infinite, and nothing missing where `options` forbids it.

    Raises
    ------
    DataError
        When its values are far outside the range of floating point.
    """
    name = column.name
    base = (name, column.arrow_type, column.kind)
    if column.missing == column.rows:
        return LinearColumn(*base, "drop", "all values are missing")
    if (
        column.constant
        and not column.missing
        and (options.center or column.maximum == 0.0 or column.kind == "text")
    ):
        return LinearColumn(*base, "drop", "constant")
    category = column.kind == "text" or (column.kind == "integer" and name in options.categorical)
    if category and column.levels is not None and len(column.levels) <= options.one_hot:
        counted = sorted(column.levels)
        return LinearColumn(
            *base,
            "known",
            categories=tuple(value for value, _ in counted),
            shares=tuple(count / column.rows for _, count in counted),
            missing_rate=column.missing / column.rows,
        )
    if category:
        found = "more than 1,024" if column.levels is None else f"{len(column.levels):,}"
        return LinearColumn(*base, "hashed", f"{found} categories")
    if column.kind == "integer" and _is_identifier(column, options):
        return LinearColumn(*base, "hashed", "an identifier by its name and many values")
    return _plan_number(column, options)


def _is_identifier(column: ColumnProfile, options: EncoderOptions) -> bool:
    many = column.levels is None or len(column.levels) > options.one_hot
    return options.identifiers and many and named_identifier(column.name)


def _plan_number(column: ColumnProfile, options: EncoderOptions) -> LinearColumn:
    offset, scale = column.mean, math.sqrt(max(column.variance, 0.0))
    spread = column.maximum - column.minimum
    if spread > 0.0 and (column.variance < LEAST_VARIANCE or math.isinf(scale)):
        scale = spread / 4.0
        if not math.isfinite(scale) or math.isinf(1.0 / scale):
            raise DataError(
                f"column {column.name!r} lies between {column.minimum:g} and {column.maximum:g}, far outside the range "
                "of floating point; scale it, or leave it out of the features"
            )
        warnings.warn(
            f"column {column.name!r}: the squares of its values are beyond floating point, so that its unit is a "
            "quarter of its range instead of its standard deviation",
            DataWarning,
            stacklevel=2,
        )
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
    return LinearColumn(
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
