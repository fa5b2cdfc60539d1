"""What a footer says, read and checked by ourselves before pyarrow is asked for it.

pyarrow ends the process when it is asked for a codec that does not exist or sizes that contradict the schema, and
takes any number of rows for granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.kernels.parquet import footer as walk
from scalable.storage.files import Version, store_of

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_TAIL = 2**16  # most footers are smaller: one read
_CODECS = 8
_OTHERS = (
    ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".arrow", ".feather", ".orc", ".avro", ".xls", ".xlsx", ".gz", ".zip",
)  # fmt: skip
_LEAST_PAGE, _MOST_VALUES = 16, 2**31  # bytes of a page and its header, and values of a page
_BYTE_ARRAY, _FIXED_BYTES = 6, 7
_WIDTHS = np.array(
    [1, 4, 8, 12, 4, 8, 0, 0]
)  # bytes of a value by physical type; of the last, the schema tells
BYTE_STREAM_SPLIT = 1 << 9  # of a chunk's encodings


@dataclass(frozen=True, slots=True)
class FooterTables:
    """A footer in numbers.

    Attributes
    ----------
    rows : int64 array of shape (n_groups,)
        Rows of each row group.
    chunks : array of shape (n_groups, n_columns), `scalable.kernels.parquet.footer.CHUNK`
        Where each column chunk lies and how it is stored.
    leaves : array of shape (n_columns,), `scalable.kernels.parquet.footer.LEAF`
        Type and levels of each column.
    n_bytes : int
        Of the footer.
    schema : bytes
        Its beginning, with all that it says of the columns: files of which it is the same have the same.
    """

    rows: NDArray[np.int64]
    chunks: NDArray[np.void]
    leaves: NDArray[np.void]
    n_bytes: int
    schema: bytes


def read_tables(path: str, version: Version) -> FooterTables:
    """Read and check the footer of a file of a version.

    Raises
    ------
    DataError
        When it is no Parquet file, or what its footer says cannot be.
    OSError
        When it cannot be read.
    """
    store, size = store_of(path), version.size
    tail = store.read(path, max(0, size - _TAIL), _TAIL, version)
    if tail[-4:] == _ENCRYPTED:
        raise DataError(
            f"{path}: its footer is encrypted, which cannot be read here; write it without encryption"
        )
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < 12 or tail[-4:] != _MAGIC or length > size - len(_MAGIC):
        raise damaged(path, "it does not end as Parquet files do")
    if length > len(tail):
        tail = store.read(path, size - length, length, version)
    return check_tables(path, np.frombuffer(tail, np.uint8)[-length:-8], size - length)


def check_tables(path: str, content: NDArray[np.uint8], end: int) -> FooterTables:
    """Return what a footer says.

    Parameters
    ----------
    path : str
        For messages.
    content : array of uint8
        The footer.
    end : int
        Where it begins in the file: what lies before it may be pages.

    Raises
    ------
    DataError
        When it cannot be.
    """
    room = content.size // 3 + 1
    elements, groups = np.empty(room, walk.ELEMENT), np.empty(room, walk.GROUP)
    chunks, counts = np.empty(content.size // 12 + 1, walk.CHUNK), np.empty(5, np.int64)
    if walk.walk_footer(content, *map(_numbers, (elements, groups, chunks)), counts) != content.size:
        raise damaged(path, "its footer cannot be understood, or columns of it are encrypted")
    n_elements, n_groups, n_chunks, n_rows, schema_stop = counts.tolist()
    _check_names(path, content.tobytes(), elements[:n_elements])
    leaves = np.empty(n_elements, walk.LEAF)
    leaves = leaves[: max(0, walk.find_leaves(elements[:n_elements], leaves))]
    rows, columns = groups["rows"][:n_groups].copy(), groups["columns"][:n_groups]
    if not len(leaves) or (columns != len(leaves)).any():
        raise damaged(path, "its row groups do not have the columns of its schema")
    if (rows < 0).any() or sum(rows.tolist()) != n_rows:
        raise damaged(path, "its row groups do not have as many rows as the file")
    by_group = chunks[:n_chunks].reshape(n_groups, len(leaves)).copy()
    found = FooterTables(rows, by_group, leaves, content.size, content[:schema_stop].tobytes())
    for wrong, reason in _contradictions(found, end):
        if wrong.any():
            group, column = (int(k) for k in np.argwhere(wrong)[0])
            name = content[leaves["name"][column] : leaves["name_stop"][column]].tobytes()
            where = f"row group {group}, column {name.decode(errors='replace')!r}"
            raise damaged(path, f"{where}: {reason}")
    return found


def _check_names(path: str, content: bytes, elements: NDArray[np.void]) -> None:
    for begin, stop in zip(elements["name"].tolist(), elements["name_stop"].tolist(), strict=True):
        try:
            content[begin:stop].decode()
        except UnicodeDecodeError as error:
            name = content[begin:stop].decode(errors="backslashreplace")
            raise damaged(path, f"the name of column '{name}' is not UTF-8") from error


def _numbers(table: NDArray[np.void]) -> NDArray[np.int64]:
    return table.view(np.int64).reshape(len(table), -1)


def cut_off(found: FooterTables) -> NDArray[np.bool_]:
    """Return of which column chunks the least or greatest value has fewer bytes than values have.

    pyarrow ends the process when it is asked for those.
    """
    chunks, leaves = found.chunks, found.leaves
    fixed = leaves["physical"] == _FIXED_BYTES
    width = np.where(fixed, leaves["width"], _WIDTHS[leaves["physical"] & 7])
    sizes = [chunks[extreme] for extreme in ("old_max", "old_min", "max", "min")]
    cut: NDArray[np.bool_] = np.logical_or.reduce([(size != walk.ABSENT) & (size < width) for size in sizes])
    return cut


def _contradictions(found: FooterTables, end: int) -> list[tuple[NDArray[np.bool_], str]]:
    """Return for each rule which chunks break it, with what to say then."""
    chunks, leaves, rows = found.chunks, found.leaves, found.rows[:, None]
    values, stored, codec = chunks["values"], chunks["stored_bytes"], chunks["codec"]
    dictionary, data = chunks["dictionary_page"], chunks["data_page"]
    begin = chunk_begin(dictionary, data)
    few = (values > stored // _LEAST_PAGE * _MOST_VALUES) | (begin < len(_MAGIC))
    few |= (begin > end - stored) | (data > end)
    levels = (
        (chunks["repetition_levels"], leaves["repetition"]),
        (
            chunks["definition_levels"],
            leaves["definition"],
        ),
    )
    unlike = (chunks["unencoded_bytes"] != walk.ABSENT) & (leaves["physical"] != _BYTE_ARRAY)
    for n, most in levels:
        unlike |= (n > 0) & (n != most + 1)
    short = cut_off(found) & (leaves["physical"] != _FIXED_BYTES)  # of which writers keep the beginning
    return [
        (chunks["physical"] != leaves["physical"], "its type is not that of the schema"),
        ((codec < 0) | (codec >= _CODECS), "its compression is unknown"),
        (np.where(leaves["repetition"] > 0, values < rows, values != rows), "it has not one value a row"),
        ((stored < 0) | (chunks["plain_bytes"] < 0), "its size is less than nothing"),
        ((values > 0) & few, "its values do not lie within the file"),
        (unlike, "its size statistics are not those of its type"),
        (short, "its least or greatest value is cut off"),
        ((chunks["nulls"] < walk.ABSENT) | (chunks["nulls"] > values), "it has more nulls than values"),
    ]


def chunk_begin(dictionary: Any, data: Any) -> Any:
    """Return where column chunks begin in their file, by the places of their dictionaries and first data pages."""
    return np.where((dictionary > 0) & (dictionary < data), dictionary, data)


def damaged(path: str, reason: str) -> DataError:
    """Return the error for a file that is not what it says."""
    name = path.lower()
    if name.endswith((".csv", ".csv.gz")):
        return DataError(
            f'{path}: CSV, not Parquet; turn it into Parquet first: python -c "import pyarrow.csv as c, '
            f"pyarrow.parquet as p; p.write_table(c.read_csv({path!r}), 'rows.parquet')\""
        )
    if name.endswith(_OTHERS):
        return DataError(
            f"{path}: not Parquet, by its name and its end ({reason}); turn it into Parquet first"
        )
    return DataError(
        f"{path}: not a readable Parquet file ({reason}); it may be truncated or of another format: write it "
        "again or leave it out"
    )
