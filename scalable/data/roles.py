"""What the columns of a dataset are for: one small object, passed whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import pyarrow as pa

from scalable.data.columns import column_kind, require_column
from scalable.errors import DataError, UsageError

# Columns of what is given beside a table.
TARGET, WEIGHT, GROUP = "__target__", "__weight__", "__group__"
_SPOKEN = {TARGET: "y", WEIGHT: "sample_weight", GROUP: "group"}
_KINDS = {"weight": ("integer", "float", "boolean"), "time": ("temporal", "integer")}
_RULES = {"weight": "weights are numbers", "time": "times are timestamps, dates or whole numbers"}


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the columns that are not features unless named as such; None where there is no such column.

    Attributes
    ----------
    target : str or None
        What is learned.
    weight : str or None
        Non-negative weights of the rows.
    group : str or None
        Rows of one value belong together, such as the results of a query.
    time : str or None
        When a row came to be known.
    entity : str or None
        Whom or what a row is about, such as a customer.
    """

    target: str | None = None
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    entity: str | None = None

    @property
    def named(self) -> dict[str, Any]:
        """Role and column of every role that is given."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {role: name for role, name in found if name is not None}

    def require_target(self) -> str:
        """Return the column of what is learned; raise UsageError where none is named."""
        if self.target is None:
            raise UsageError(
                "no target column was named; pass target=COLUMN to the source, or y beside the rows"
            )
        return self.target

    @property
    def learned_from(self) -> tuple[str, ...]:
        """Columns that every fit reads beside the features: target and weight."""
        return tuple(name for name in (self.target, self.weight) if name is not None)

    def features(
        self,
        schema: pa.Schema,
        where: str,
        wanted: Sequence[str] | None = None,
        left_out: Collection[str] = (),
    ) -> list[str]:
        """Check the roles against a schema and return the names of the feature columns.

        Parameters
        ----------
        schema : pyarrow.Schema
            All columns of the dataset.
        where : str
            Name of the dataset for messages.
        wanted : sequence of str, optional
            The features; by default every column without a role that is not `left_out`. Target and weight can
            never be among them.

        Raises
        ------
        DataError
            When a column is missing (with the nearest name), is target or weight and something else besides,
            or is of a type that its role or a feature cannot have.
        """
        twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
        if twice:
            raise DataError(
                f"{where}: several columns are named {twice[0]!r}; rename them so that names are unique"
            )
        self._check(schema, where)
        if wanted is None:
            taken = {*self.named.values(), *left_out}
            names = [name for name in schema.names if name not in taken]
        else:
            names = list(wanted)
        for name, count in Counter(names).items():
            require_column(schema, name, where, "feature")
            if name in self.learned_from:
                raise DataError(f"{where}: column {name!r} is given as a feature and as target or weight")
            if count > 1:
                raise DataError(f"{where}: column {name!r} is given twice as a feature")
        if not names:
            besides = sorted({*self.named.values(), *left_out})
            how = "; name those to learn from in features" if left_out else ""
            raise DataError(f"{where}: no feature columns are left besides {besides}{how}")
        usable = [name for name in names if column_kind(schema.field(name).type) is not None]
        for name in names:
            if name not in usable:
                others = [each for each in names if each not in usable]
                how = f": exclude={others}, or --exclude {','.join(others)}" if wanted is None else ""
                raise DataError(
                    f"{where}: column {name!r} is {schema.field(name).type}, which cannot be learned from; leave it "
                    f"out{how}"
                )
        return names

    def _check(self, schema: pa.Schema, where: str) -> None:
        for role, name in self.named.items():
            require_column(schema, name, where, role)
            kind = schema.field(name).type
            if column_kind(kind) is None:
                raise DataError(f"{where}: {spoken(role, name)} is {kind}; give numbers, text or times")
            if role in _KINDS and column_kind(kind) not in _KINDS[role]:
                raise DataError(f"{where}: {spoken(role, name)} is {kind}; {_RULES[role]}")
        for (one, name), (other, same) in combinations(self.named.items(), 2):
            # an entity may well be the group, but what is learned is nothing else
            if name == same and one in ("target", "weight"):
                raise DataError(f"{where}: column {name!r} is given as both {one} and {other}")


def spoken(role: str, name: str) -> str:
    """Return how messages call a column of a role: what a user gave beside a table has no column of its own."""
    return _SPOKEN.get(name, f"{role} column {name!r}")
