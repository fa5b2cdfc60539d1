"""Parameters that speak of columns: given for the user's own, and spread over those that encoding makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scalable.errors import UsageError
from scalable.features.tree_encoder import TreeEncoder
from scalable.models.parameters import nearest

# What the mean of a pair of columns gets of the two values.
_PER_COLUMN: dict[str, Callable[[float, float], float]] = {
    "monotone_constraints": lambda a, b: 0,
    "max_bin_by_feature": max,
    "feature_contri": min,
    "cegb_penalty_feature_lazy": max,
    "cegb_penalty_feature_coupled": max,
}


def numbers_only(values: Mapping[str, Any], names: Sequence[str]) -> set[str]:
    """Return the columns that must stay numbers: a mean target does not rise with the number that is constrained."""
    signs = listed(values.get("monotone_constraints"), "monotone_constraints")
    return {name for name, sign in zip(names, signs, strict=False) if sign}


def spread(values: Mapping[str, Any], encoder: TreeEncoder) -> dict[str, Any]:
    """Return parameters by the matrix's columns.

    Parameters
    ----------
    values : mapping
        LightGBM's parameters in canonical spelling, by the user's columns.
    encoder : TreeEncoder
        What makes matrix columns of them.

    Raises
    ------
    UsageError
        When a list is not as long as there are columns, or asks for what a column of categories cannot do.
    """
    found = dict(values)
    names = [column.name for column in encoder.columns]
    place = {name: k for k, name in enumerate(names)}
    pairs = [tuple(place[name] for name in joined.pair.names) for joined in encoder.pairs]
    widths = [column.width for column in encoder.columns]
    for name, of_pair in _PER_COLUMN.items():
        given = listed(values.get(name), name)
        if not given:
            continue
        if len(given) != len(names):
            raise UsageError(
                f"{name} holds {len(given)} values for {len(names)} columns ({', '.join(names[:6])} ...)"
            )
        if name == "monotone_constraints":
            for column, sign in zip(encoder.columns, given, strict=True):
                if sign and (column.categories is not None or column.means is not None):
                    raise UsageError(
                        f"monotone_constraints: column {column.name!r} is of categories, which have no order; give it 0"
                    )
        of_columns = [value for value, width in zip(given, widths, strict=True) for _ in range(width)]
        found[name] = [*of_columns, *(of_pair(given[a], given[b]) for a, b in pairs)]
    groups = grouped(values.get("interaction_constraints"), names)
    if groups:
        starts = [sum(widths[:k]) for k in range(len(widths))]
        found["interaction_constraints"] = [
            [
                *(starts[k] + i for k in sorted(group) for i in range(widths[k])),
                *(sum(widths) + j for j, pair in enumerate(pairs) if group.issuperset(pair)),
            ]
            for group in groups
        ]
    if values.get("forcedsplits_filename") and encoder.n_columns != len(names):
        raise UsageError(
            "forcedsplits_filename speaks of columns by number, and encoding makes others of them; give "
            "identifiers=False and pairs=False, or leave it out"
        )
    return found


def coded_columns(given: Sequence[int | str], names: Sequence[str]) -> set[str]:
    """Return the names of columns whose numbers are categories, given by place or name.

    Raises
    ------
    UsageError
        On a column that does not exist.
    """
    found = set()
    for column in given:
        by_name = isinstance(column, str)
        if column not in names if by_name else not 0 <= int(column) < len(names):
            raise UsageError(f"categorical_feature names column {column!r}; {nearest(str(column), names)}")
        found.add(str(column) if by_name else names[int(column)])
    return found


def listed(given: Any, name: str) -> list[float]:
    """Return one number a column, given as a list or as text such as "1,0,-1".

    Raises
    ------
    UsageError
        When it is neither.
    """
    if given is None or (isinstance(given, str) and not given.strip()):
        return []
    try:
        parts = given.strip("()[] ").split(",") if isinstance(given, str) else list(given)
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be a number a column, found {given!r}") from None
    return [int(number) if number == int(number) else number for number in numbers]


def grouped(given: Any, names: Sequence[str]) -> list[set[int]]:
    """Return groups of columns, given as lists of places or names, or as text such as "[0,1],[2]".

    Raises
    ------
    UsageError
        On a column that does not exist.
    """
    if given is None or len(given) == 0:
        return []
    if isinstance(given, str):
        parts = given.replace(" ", "").strip("[]").split("],[")
        given = [[int(number) for number in part.split(",") if number] for part in parts]
    groups = []
    for group in given:
        unknown = [
            c for c in group if (c not in names if isinstance(c, str) else not 0 <= int(c) < len(names))
        ]
        if unknown:
            raise UsageError(f"interaction_constraints: no column {unknown[0]!r} among {len(names)}")
        groups.append({list(names).index(c) if isinstance(c, str) else int(c) for c in group})
    return groups
