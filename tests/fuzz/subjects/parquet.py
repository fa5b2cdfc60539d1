"""Parquet files: what is accepted is what pyarrow reads, and pyarrow accepts it too."""

import decimal
import os
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.footers import read_footers
from scalable.data.readers import compressed, pages, read_columns
from scalable.errors import DataError
from scalable.kernels.parquet import codecs
from tests.fuzz.mutations import changed_bytes
from tests.fuzz.outcomes import ACCEPTED, ALONE, DIFFERENT, REFUSED, UNDECIDED

N = 240
MOST_ROWS = 10**4  # of a mutant that is read


def table():
    rng = np.random.default_rng(0)
    mask = rng.random(N) < 0.3
    ids = rng.integers(0, 40, N)
    text = np.array(["", "a", "bcd", "é" * 20])
    return pa.table(
        {
            "f32": rng.random(N).astype(np.float32),
            "f64": pa.array(rng.random(N), mask=mask),
            "i32": pa.array(rng.integers(-(2**31), 2**31, N).astype(np.int32)),
            "i64": pa.array(np.cumsum(rng.integers(-9, 10**6, N)), mask=mask),
            "i8": pa.array(ids.astype(np.int8), mask=mask),
            "flag": pa.array(ids > 20, mask=mask),
            "when": pa.array(rng.integers(0, 10**12, N)).cast(pa.timestamp("ms")),
            "text": pa.array(text[ids % 4], mask=mask),
        }
    )


def corpus(directory):
    """Write small files of many layouts."""
    whole = table()
    coded = {"use_dictionary": ["i8", "text", "i64"], "column_encoding": {"i32": "DELTA_BINARY_PACKED"}}
    plain = {"use_dictionary": False, "compression": "none"}
    deltas = dict.fromkeys(("i32", "i64", "when"), "DELTA_BINARY_PACKED")
    others = deltas | {"f32": "BYTE_STREAM_SPLIT", "text": "DELTA_BYTE_ARRAY"}
    layouts = {
        "plain": plain,
        "plain pages of version 2": plain | {"data_page_version": "2.0"},
        "coded": coded | {"compression": "none", "data_page_size": 200, "write_batch_size": 30},
        "coded pages of version 2": coded | {"compression": "none", "data_page_version": "2.0"},
        "checksums": coded | {"compression": "none", "write_page_checksum": True},
        "other encodings": plain | {"column_encoding": others},
        "snappy pages of version 2": {"compression": "snappy", "data_page_version": "2.0"},
    }
    numbers = whole.select(["f32", "f64", "i32", "i64", "flag"])
    for codec in ("zstd", "snappy", "lz4", "gzip", "brotli"):
        layouts[codec] = coded | {"compression": codec}
        for version in ("1.0", "2.0"):
            options = {"compression": codec, "use_dictionary": ["i64"], "row_group_size": 100}
            place = directory / f"numbers {codec} {version[0]}.parquet"
            pq.write_table(numbers, place, data_page_version=version, **options)
    for name, options in layouts.items():
        pq.write_table(whole, directory / f"{name}.parquet", row_group_size=100, **options)
    numbers = whole.select(["f32", "f64", "i32", "i64"])
    many = pa.concat_tables([numbers] * 800)
    pq.write_table(
        many, directory / "many.parquet", compression="snappy", use_dictionary=False, row_group_size=96_000
    )
    price = pa.array([decimal.Decimal(k) for k in range(N)], pa.decimal128(20, 3))
    pq.write_table(
        pa.table({"price": price, "half": np.arange(N).astype(np.float16)}), directory / "rare.parquet"
    )
    frame = pl.DataFrame(whole.select(["f32", "i32", "i64", "text"]))
    frame.write_parquet(directory / "polars.parquet", compression="uncompressed", row_group_size=100)


class Parquet:
    """Changes bytes of footers, of page headers, and any."""

    suffix = ".parquet"

    def __init__(self, directory):
        self._seeds = []
        for path in sorted(directory.glob("*.parquet")):
            content = path.read_bytes()
            length = int.from_bytes(content[-8:-4], "little")
            begin = len(content) - 8 - length
            metadata = pq.read_metadata(path)
            pages = {4}
            for group in range(metadata.num_row_groups):
                for k in range(metadata.num_columns):
                    column = metadata.row_group(group).column(k)
                    pages |= {column.data_page_offset, column.dictionary_page_offset or 4}
            self._seeds.append((content, np.array(sorted(pages)), np.arange(begin, len(content))))

    def mutate(self, rng, path):
        own = bool(rng.integers(0, 2))  # else pyarrow decodes all but plain pages
        pages.CODED = SimpleNamespace(pays=lambda work: own)
        content, heads, footer = self._seeds[int(rng.integers(0, len(self._seeds)))]
        path.write_bytes(changed_bytes(rng, content, footer if rng.random() < 0.35 else heads))

    def check(self, path, reached):
        try:
            found, schema = ours(path)
        except DataError:
            return REFUSED
        reached("ours")
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                expected = file.read(use_threads=False)
        except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError):
            return ALONE if self._with_arrows_zstd(path) else UNDECIDED
        if alike(found, expected, schema):
            return ACCEPTED
        again = self._with_arrows_zstd(path)
        return UNDECIDED if again is not None and alike(again, expected, schema) else DIFFERENT

    @staticmethod
    def _with_arrows_zstd(path):
        os.utime(path, (0, 0))  # another file, of which nothing is kept
        with arrows_zstd(), suppress(DataError):
            return ours(path)[0]
        return None


def alike(found, expected, schema):
    """Return whether all columns have the same values."""
    columns = zip(schema.names, schema.types, strict=True)
    return all(same(found[name].cast(kind), expected[name].cast(kind)) for name, kind in columns)


@contextmanager
def arrows_zstd():
    """Have pages decompressed by Arrow's copy of zstd, not by the system's, and decoded by our kernels as before.

    A frame without checksum whose bits were changed may be read by two releases of the library, to other bytes, or by
    one of them alone.
    """
    kept = compressed.IS_THERE, compressed._KERNELS[codecs.ZSTD]
    compressed.IS_THERE = compressed._KERNELS[codecs.ZSTD] = False
    try:
        yield
    finally:
        compressed.IS_THERE, compressed._KERNELS[codecs.ZSTD] = kept


def ours(path):
    """Return all columns as our readers decode them, in blocks of two sizes."""
    (footer,), (schema,) = read_footers([os.fspath(path)])
    schema = schema.remove_metadata()
    if not 0 < footer.n_rows <= MOST_ROWS:
        raise DataError("nothing to read, or too much")
    parts = []
    for start, stop, rows in ((0, footer.n_rows, 70_000), (footer.n_rows // 2, footer.n_rows, 33)):
        blocks = list(read_columns(footer, schema, schema.names, start, stop, rows))
        parts.append([pa.chunked_array(list(column)) for column in zip(*blocks, strict=True)])
    for name, kind, first, half in zip(schema.names, schema.types, *parts, strict=True):
        assert same(half.cast(kind), first.slice(footer.n_rows // 2).cast(kind)), (
            f"{name} depends on the block"
        )
    return dict(zip(schema.names, parts[0], strict=True)), schema


def same(one, other):
    if len(one) != len(other) or one.null_count != other.null_count:
        return False
    if pa.types.is_floating(one.type):  # bits: NaN is what it is
        kind = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[one.type.bit_width]
        one, other = (pa.chunked_array([c.view(kind) for c in x.chunks], kind) for x in (one, other))
    return one.equals(other)
