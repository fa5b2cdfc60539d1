"""What a file's footer says of its row groups and column chunks (parquet-format, ``FileMetaData``).

General readers take the footer's word; some end the process over a codec that does not exist. This walk takes
nothing on trust: it ends within the bytes given, and fills tables whose contradictions can be looked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet import thrift

# Structures: the footer, and those in it that matter here.
_FILE, _ELEMENT, _GROUP, _CHUNK, _META, _STATISTICS, _SIZES, _OTHER = range(8)
_LAST = 23  # greatest number of a field that matters

# What is kept, by the structure it is in, the number of its field and its type.
_KEPT: dict[str, dict[str, tuple[int, int, int] | None]] = {
    "file": {"rows": (_FILE, 3, thrift.I64)},
    "element": {
        "physical": (_ELEMENT, 1, thrift.I32),
        "width": (_ELEMENT, 2, thrift.I32),  # bytes of a value, where all have as many
        "repetition": (_ELEMENT, 3, thrift.I32),
        "children": (_ELEMENT, 5, thrift.I32),
        "name": (_ELEMENT, 4, thrift.BINARY),  # where it begins
        "name_stop": None,
    },
    "group": {"rows": (_GROUP, 3, thrift.I64), "columns": None},
    "chunk": {
        "physical": (_META, 1, thrift.I32),
        "encodings": (_META, 2, thrift.LIST),  # a bit each
        "codec": (_META, 4, thrift.I32),
        "values": (_META, 5, thrift.I64),
        "plain_bytes": (_META, 6, thrift.I64),
        "stored_bytes": (_META, 7, thrift.I64),
        "data_page": (_META, 9, thrift.I64),
        "dictionary_page": (_META, 11, thrift.I64),
        "nulls": (_STATISTICS, 3, thrift.I64),
        "old_max": (_STATISTICS, 1, thrift.BINARY),  # bytes of each extreme
        "old_min": (_STATISTICS, 2, thrift.BINARY),
        "max": (_STATISTICS, 5, thrift.BINARY),
        "min": (_STATISTICS, 6, thrift.BINARY),
        "unencoded_bytes": (_SIZES, 1, thrift.I64),
        "repetition_levels": (_SIZES, 2, thrift.LIST),  # their number
        "definition_levels": (_SIZES, 3, thrift.LIST),
    },
}
ELEMENT, GROUP, CHUNK = (np.dtype([(name, "i8") for name in _KEPT[k]]) for k in ("element", "group", "chunk"))
LEAF = np.dtype(
    [(name, "i8") for name in ("physical", "width", "definition", "repetition", "name", "name_stop")]
)
ABSENT = -1  # in all of these: the footer does not say
OPTIONAL, REPEATED = 1, 2
ELEMENTS, GROUPS, CHUNKS, ROWS, SCHEMA_STOP = range(5)  # places in the counts

_PLACES, _KINDS = np.full((8, _LAST + 1), ABSENT), np.zeros((8, _LAST + 1), np.int64)
for _fields in _KEPT.values():
    for _place, _where in enumerate(_fields.values()):
        if _where is not None:
            _PLACES[_where[:2]], _KINDS[_where[:2]] = _place, _where[2]
_INNER = np.full((8, _LAST + 1), _OTHER)
for _owner, _field, _inner in (
    (_FILE, 2, _ELEMENT), (_FILE, 4, _GROUP), (_GROUP, 1, _CHUNK), (_CHUNK, 3, _META), (_META, 12, _STATISTICS),
    (_META, 16, _SIZES),
):  # fmt: skip
    _INNER[_owner, _field] = _inner
_NAME_STOP = list(_KEPT["element"]).index("name_stop")
_COLUMNS = list(_KEPT["group"]).index("columns")
_ENCODINGS = list(_KEPT["chunk"]).index("encodings")
_DEPTH = 24


@kernel()
def walk_footer(
    buffer: np.ndarray, elements: np.ndarray, groups: np.ndarray, chunks: np.ndarray, counts: np.ndarray
) -> int:
    """Walk through a footer.

    Parameters
    ----------
    buffer : array of uint8
        The footer, without its length and the magic number.
    elements, groups, chunks : int64 arrays of shape (room, fields of `ELEMENT`, `GROUP` or `CHUNK`)
        Output: the schema, depth first, the root before all; row groups; the column chunks of one row group after
        those of the other.
    counts : array of shape (5,), int64
        Output: elements, row groups and chunks that were written, rows of the file, and where the schema ends.

    Returns
    -------
    int
        Bytes walked; -1 when they are no footer, or hold more than there is room for.
    """
    # What is around the present structure or list: owner, last field, items to come (-1 in a structure), their type.
    around = np.zeros((_DEPTH, 4), np.int64)
    left: Any = ABSENT
    owner, field, item = _FILE, 0, 0
    counts[:] = 0
    counts[ROWS] = ABSENT
    depth, at = 0, 0
    while True:
        if left == 0 or (
            left < 0 and at < buffer.size and buffer[at] == 0
        ):  # the end of a list or a structure
            at += 1 if left < 0 else 0
            if left < 0 and owner == _ELEMENT:
                counts[SCHEMA_STOP] = at
            depth -= 1
            if depth < 0:
                return at
            owner, field, left, item = around[depth]
            continue
        if at >= buffer.size:
            return thrift.DAMAGED
        if left > 0:
            left -= 1
            kind = item
        else:
            kind, field, at = thrift.field_of(buffer, at, field)
        known = at >= 0 and 0 <= field <= _LAST
        value: Any = 0
        place = ABSENT
        if known and (
            kind == _KINDS[owner, field] if left < 0 else owner == _META and field == 2 and kind == thrift.I32
        ):
            place = _PLACES[owner, field]
        if at < 0 or kind <= 0 or kind > thrift.STRUCT:
            return thrift.DAMAGED
        if kind <= thrift.BYTE:
            at += 1 if left >= 0 or kind == thrift.BYTE else 0  # a truth is in the head of its field
        elif kind <= thrift.I64:
            raw, at = thrift.varint(buffer, at)
            value = thrift.signed(raw)
        elif kind == thrift.DOUBLE:
            at += 8
        elif kind == thrift.BINARY:
            value, at = thrift.skip_binary(buffer, at)
        elif kind in (thrift.LIST, thrift.SET, thrift.STRUCT):
            if depth == _DEPTH or at >= buffer.size:
                return thrift.DAMAGED
            # One by one: Numba's assignment of a row would compile a message in words, for two seconds.
            around[depth, 0], around[depth, 1], around[depth, 2], around[depth, 3] = owner, field, left, item
            depth += 1
            if kind == thrift.STRUCT:
                owner, field, left = _INNER[owner, field] if known else _OTHER, 0, ABSENT
                if owner in (_ELEMENT, _GROUP, _CHUNK):
                    which = owner - _ELEMENT
                    table = elements if owner == _ELEMENT else groups if owner == _GROUP else chunks
                    if counts[which] == table.shape[0]:
                        return thrift.DAMAGED
                    table[counts[which]] = ABSENT
                    counts[which] += 1
                    if owner == _GROUP:
                        groups[counts[GROUPS] - 1, _COLUMNS] = 0
                    elif owner == _CHUNK:
                        groups[counts[GROUPS] - 1, _COLUMNS] += 1
            else:
                head: Any = np.int64(buffer[at])
                value, at, item = head >> 4, at + 1, head & 15
                if value == 15:
                    value, at = thrift.varint(buffer, at)
                if at < 0 or value < 0 or value > buffer.size - at:  # each item takes a byte or more
                    return thrift.DAMAGED
                left = value
        if at < 0 or at > buffer.size:
            return thrift.DAMAGED
        if place >= 0:
            if owner == _FILE:
                counts[ROWS] = value
            elif owner == _ELEMENT:
                elements[counts[ELEMENTS] - 1, place] = value
                if kind == thrift.BINARY:
                    elements[counts[ELEMENTS] - 1, _NAME_STOP] = at
            elif owner == _GROUP:
                groups[counts[GROUPS] - 1, place] = value
            elif place != _ENCODINGS:
                chunks[counts[CHUNKS] - 1, place] = at - value if kind == thrift.BINARY else value
            elif kind == thrift.LIST:
                chunks[counts[CHUNKS] - 1, place] = 0
            else:  # encodings that do not exist share a bit
                chunks[counts[CHUNKS] - 1, place] |= 1 << (value if 0 <= value < 62 else 62)


@kernel()
def find_leaves(elements: np.ndarray, leaves: np.ndarray) -> int:
    """Find the columns of a schema, with the levels that the structures around them add.

    Parameters
    ----------
    elements : array of `ELEMENT`
        The whole schema, depth first.
    leaves : array of `LEAF`, as long
        Output.

    Returns
    -------
    int
        Number of columns; -1 when the elements are no tree.
    """
    inner = np.zeros((_DEPTH, 3), np.int64)  # children to come, definition and repetition levels
    if elements.size == 0 or elements[0].children < 0:
        return thrift.DAMAGED
    inner[0, 0] = elements[0].children
    depth, n = 0, 0
    for k in range(1, elements.size):
        while depth >= 0 and inner[depth, 0] == 0:
            depth -= 1
        if depth < 0:
            return thrift.DAMAGED
        inner[depth, 0] -= 1
        element = elements[k]
        if element.repetition < 0 or element.repetition > REPEATED:
            return thrift.DAMAGED
        definition = inner[depth, 1] + (1 if element.repetition else 0)
        repetition = inner[depth, 2] + (1 if element.repetition == REPEATED else 0)
        if element.children > 0:
            depth += 1
            if depth == _DEPTH:
                return thrift.DAMAGED
            inner[depth, 0], inner[depth, 1], inner[depth, 2] = element.children, definition, repetition
        else:
            leaf = leaves[n]
            leaf.physical, leaf.width = element.physical, element.width
            leaf.definition, leaf.repetition = definition, repetition
            leaf.name, leaf.name_stop = element.name, element.name_stop
            n += 1
    while depth >= 0 and inner[depth, 0] == 0:
        depth -= 1
    return n if depth < 0 else thrift.DAMAGED
