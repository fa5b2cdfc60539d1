"""Which versions somebody asks for: conditions on metrics, and tags."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scalable.errors import UsageError
from scalable.registry.index import Row

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
    ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_CONDITION = re.compile(rf"\s*([\w.@:-]+?)\s*({'|'.join(_OPERATORS)})\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """``metric operator number``; a version that has no such metric does not meet it."""

    metric: str
    sign: str
    number: float

    def met(self, row: Row) -> bool:
        """Return whether a version meets it."""
        found = row.metrics.get(self.metric)
        return found is not None and _OPERATORS[self.sign](found, self.number)


def parse_condition(text: str) -> Condition:
    """Return a condition as it is typed, such as ``auc>.8``.

    Raises
    ------
    UsageError
        It is none.
    """
    match = _CONDITION.fullmatch(text)
    try:
        if match:
            return Condition(match[1], match[2], float(match[3]))
    except ValueError:
        pass
    raise UsageError(
        f"--where {text!r} is no condition such as auc>.8 (metric, one of > >= < <= == !=, number)"
    )


def chosen(rows: Sequence[Row], conditions: Iterable[Condition], tags: Iterable[str]) -> list[Row]:
    """Return the versions that meet all conditions and have all tags, each ``NAME`` or ``NAME=VALUE``.

    Raises
    ------
    UsageError
        No version at all has a metric that is asked for.
    """
    found = list(rows)
    for condition in conditions:
        if rows and not any(condition.metric in row.metrics for row in rows):
            known = sorted({name for row in rows for name in row.metrics})
            near = difflib.get_close_matches(condition.metric, known, 1)
            hint = (
                f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known[:12]) or 'none'}"
            )
            raise UsageError(f"no version has a metric {condition.metric!r}{hint}")
        found = [row for row in found if condition.met(row)]
    for name, sign, value in (tag.partition("=") for tag in tags):
        found = [row for row in found if name in row.tags and (not sign or row.tags[name] == value)]
    return found
