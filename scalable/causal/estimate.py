"""An effect with its error, and what both estimators ask of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from scipy import stats

from scalable.data.columns import column_kind, require_column
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target import Labels


@dataclass(frozen=True)
class Effect:
    """The mean change of the target a unit of the cause.

    Attributes
    ----------
    coef, error : float
        Estimate and standard error.
    rows : int
    plain, plain_error : float
        Without any adjustment: the slope of the target on the cause alone.
    explained : float
        Share of the cause's variance that the controls explain (double machine learning), or of the target's within
        the groups that what was known before explains (CUPED).
    """

    coef: float
    error: float
    rows: int
    plain: float
    plain_error: float
    explained: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal confidence interval.

        Raises
        ------
        UsageError
            When the level is no share.
        """
        if not 0.0 < level < 1.0:
            raise UsageError(f"level must be between 0 and 1, not {level!r}")
        width = float(stats.norm.ppf(0.5 + 0.5 * level)) * self.error
        return self.coef - width, self.coef + width


def columns_named(source: Source, cause: str, what: str, names: Sequence[str]) -> list[str]:
    """Return names of columns beside the cause.

    Raises
    ------
    UsageError, DataError
        When they are no list, or one is missing, there twice, the cause or the target.
    """
    if isinstance(names, str):
        raise UsageError(f"{what} is a list of columns, such as [{names!r}]")
    target, place = source.roles.require_target(), source.describe_place()
    for k, name in enumerate(names):
        require_column(source.full_schema, name, place, "feature")
        if name in names[:k]:
            raise UsageError(f"{what} names column {name!r} twice")
    for name in (target, *names):
        if name == cause:
            raise UsageError(f"column {cause!r} is the cause and cannot be the target or among {what} too")
    if target in names:
        raise UsageError(f"column {target!r} is the target and cannot be among {what} too")
    return list(names)


def encoder_of(source: Source, cause: str, others: Sequence[str], learner: str) -> NumberEncoder:
    """Return what makes numbers of `others`, then of the cause, and of the target.

    Raises
    ------
    UsageError, DataError
        When the source has weights, or a column is missing or no number.
    """
    target, place = source.roles.require_target(), source.describe_place()
    if source.roles.weight is not None:
        raise UsageError(f"{place}: {learner} counts every row once; name no weight")
    require_column(source.full_schema, cause, place, "feature")
    option = "before" if learner == "cuped" else "controls"
    schema = pa.schema([source.full_schema.field(name) for name in (*others, cause)])
    texts = {field.name: field.type for field in schema if column_kind(field.type) == "text"}
    if cause in texts:
        raise DataError(f"column {cause!r} is {texts[cause]}, and a cause must be a number")
    if texts:
        name, usable = next(iter(texts)), [each for each in others if each not in texts]
        raise DataError(
            f"column {name!r} is {texts[name]}, and {learner} takes numbers only; name {option} without it: "
            f"{', '.join(usable[:6])}{', ...' if len(usable) > 6 else ''}"
        )
    return NumberEncoder.learn(schema, Labels(target), None, learner)
