"""Which integer columns are identifiers: numbers whose size means nothing, to be treated as categories."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.types as pt

from scalable.data.block import RawBlock

MANY = 64  # a column of fewer is left a number, whatever its name
_NAME = re.compile(r"(^|_)(id|ids|uid|uuid|key|zip|zipcode|postcode)$", re.I)


def named_identifier(name: str) -> bool:
    """Return whether a column's name says that it identifies something, as ``card_id`` and ``zip`` do."""
    return _NAME.search(name) is not None


def identifiers_of(schema: pa.Schema, sample: Iterable[RawBlock]) -> tuple[str, ...]:
    """Return the integer columns that are named like identifiers and show more than ``MANY`` values in a sample."""
    named = [f.name for f in schema if pt.is_integer(f.type) and named_identifier(f.name)]
    sample = list(sample)
    return tuple(name for name in named if _shows_many(sample, name))


def _shows_many(sample: Iterable[RawBlock], name: str) -> bool:
    found: set[int] = set()
    for block in sample:
        found.update(block.arrays[name].drop_null().unique().to_pylist())
        if len(found) > MANY:
            return True
    return False
