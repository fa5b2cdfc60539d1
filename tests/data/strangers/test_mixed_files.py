"""Files of any mixture of types and layouts hold the values that were written; filters choose what Python would."""

import datetime
import operator
from contextlib import nullcontext, suppress
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataError

DAY = datetime.datetime(2020, 1, 1)
FAMILIES = {
    "integers": (["int8", "int64", "uint8", "uint32"], lambda k: k),
    "floats": (["float", "double", "int16"], lambda k: float(k - 50)),
    "texts": (["string", "large_string", "string_view", "dictionary"], lambda k: "abcdéfgh"[k % 8] * k),
    "times": (["timestamp[s]", "timestamp[ns]", "date32"], lambda k: DAY + datetime.timedelta(days=k)),
    "moments": (["tz[ms]", "tz[us]"], lambda k: DAY.replace(tzinfo=ZoneInfo("UTC"), hour=k % 24)),
    "decimals": (["decimal9", "decimal20"], lambda k: Decimal(k - 50).scaleb(-2)),
    "truths": (["bool"], lambda k: k % 2 == 0),
    "durations": (["duration[s]", "duration[ns]"], lambda k: datetime.timedelta(seconds=k)),
    "hours": (["time32[s]", "time64[us]"], lambda k: datetime.time(k % 24, k % 60)),
}
OTHERS = {
    "dictionary": pa.dictionary(pa.int8(), pa.large_string()), "string_view": pa.string_view(),
    "date32": pa.date32(), "decimal9": pa.decimal128(9, 2), "decimal20": pa.decimal128(20, 3),
    "tz[ms]": pa.timestamp("ms", "UTC"), "tz[us]": pa.timestamp("us", "Europe/Berlin"),
}  # fmt: skip
OPERATORS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "in": lambda value, given: value in given, "not in": lambda value, given: value not in given,
}  # fmt: skip


def write_any(folder, rng, names, make):
    """Write some files of one family; return the values."""
    written = []
    for k in range(rng.integers(2, 4)):
        missing, n = rng.choice([0.0, 0.3, 1.0], p=[0.5, 0.4, 0.1]), int(rng.integers(5, 60))
        values = [None if rng.random() < missing else make(int(rng.integers(100))) for _ in range(n)]
        if rng.random() < 0.5:
            values.sort(key=lambda value: (value is None, value))
        name = names[rng.integers(len(names))]
        kind = OTHERS.get(name) or pa.type_for_alias(name)
        given = values
        if name in ("date32", "int16"):
            given = [v if v is None else v.date() if name == "date32" else int(v) for v in values]
        column = pa.array(given, kind.value_type if name == "dictionary" else kind)
        columns = [("x", pa.array(np.arange(n) + float(len(written)))), ("c", column.cast(kind))]
        pq.write_table(
            pa.table(dict(columns[:: rng.choice([1, -1])])), folder / f"{k}.parquet",
            row_group_size=int(rng.choice([7, 20, 100])), use_dictionary=bool(rng.integers(2)),
            compression=str(rng.choice(["none", "snappy", "zstd"])), data_page_version=str(rng.choice(["1.0", "2.0"])),
        )  # fmt: skip
        written += values
    return written


def read(source, name, block_rows=1_000):
    blocks = (block for shard in source.shards for block in source.raw_blocks(shard, [name], block_rows))
    return [value for block in blocks for value in block.arrays[name].to_pylist()]


@pytest.mark.parametrize("family", FAMILIES)
def test_mixed_files_hold_what_was_written_and_filters_choose_of_it(family, tmp_path):
    rng = np.random.default_rng([*family.encode()])
    names, make = FAMILIES[family]
    values = write_any(tmp_path, rng, names, make)
    held = pa.array(values)
    for block_rows in (5, 1_000):
        found = pa.array(read(ParquetSource(tmp_path, features=["x", "c"]), "c", block_rows))
        assert (found if family == "decimals" else found.cast(held.type)).to_pylist() == held.to_pylist()
    for how, holds in OPERATORS.items():
        value = make(int(rng.integers(100)))
        given = [value, make(int(rng.integers(100)))] if "in" in how else value
        expected = [k for k, each in enumerate(values) if each is not None and holds(each, given)]
        with nullcontext() if expected else suppress(DataError):  # told where statistics say so
            chosen = ParquetSource(tmp_path, features=["x"], filters=[("c", how, given)])
            assert read(chosen, "x", 5) == expected, (how, given)
