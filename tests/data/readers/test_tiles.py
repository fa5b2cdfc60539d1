"""Compressed columns decoded a page at a time where a kernel uses them: the same values, the same model."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.readers import tiles
from scalable.errors import DataError
from scalable.kernels.parquet.tiles import tile_address
from scalable.kernels.parquet.zstd import IS_THERE
from scalable.linear import LogisticRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 50_000
NAMES, KINDS = ["a", "b", "c"], [pa.float32()] * 3
COMPRESSED = ["snappy", "lz4", *(["zstd"] if IS_THERE else [])]


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    monkeypatch.setattr(tiles.TILES, "patience", 0)


def columns(n=N):
    """Return columns of many values, of few (a dictionary), and of few at first."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, 9, n) / 8
    return {
        "a": rng.normal(size=n).astype(np.float32),
        "b": some.astype(np.float32),
        "c": np.where(np.arange(n) < n // 3, some, rng.normal(size=n)).astype(np.float32),
    }


def write(path, compression, dictionary=True, nullable=True, missing=(), **options):
    values = columns()
    arrays = {
        name: pa.array(x, mask=np.isin(np.arange(N), missing) if name == "a" else None)
        for name, x in values.items()
    }
    y = (values["a"] + values["b"] > 0.5).astype(np.int32)
    schema = pa.schema([pa.field(n, pa.float32(), nullable) for n in NAMES] + [pa.field("y", pa.int32())])
    table = pa.table([*arrays.values(), pa.array(y)], schema=schema)
    options = {"row_group_size": N, "data_page_size": 2**14, "dictionary_pagesize_limit": 2**14} | options
    pq.write_table(table, path, compression=compression, use_dictionary=dictionary, **options)
    return ParquetSource(path, target="y")


@pytest.mark.parametrize("compression", [*COMPRESSED, "none"])
@pytest.mark.parametrize("nullable", [False, True], ids=["required", "nullable"])
@pytest.mark.parametrize("dictionary", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_values_are_those_of_the_file(tmp_path, compression, nullable, dictionary, version):
    source = write(tmp_path / "a", compression, dictionary, nullable, data_page_version=version)
    footer = source.footers[0]
    reader = tiles.find_tiles(footer, KINDS, NAMES, 0, N)
    joined = np.empty(4096, np.float32)
    rng = np.random.default_rng(1)
    for name, truth in columns().items():
        c = NAMES.index(name)
        for row in [*range(0, N - 4096, 4096), *rng.integers(0, N - 4096, 9)]:
            n = int(rng.integers(1, 4097))
            at = tile_address(reader.tiles, c, int(row), n, joined.ctypes.data)
            assert at
            assert at % 4 == 0
            found = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_float * n).from_address(at))
            assert np.array_equal(found, truth[row : row + n])
    assert tile_address(reader.tiles, 0, N - 3, 4, joined.ctypes.data) == 0


def test_a_model_has_the_bits_of_one_from_plain_files(tmp_path, monkeypatch):
    def fit(source):
        return LogisticRegression(solver="sgd", max_iter=1, optimizer="normalized").fit(source)

    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    used = []
    make = tiles.TileReader.__init__
    monkeypatch.setattr(tiles.TileReader, "__init__", lambda self, *a: used.append(1) or make(self, *a))
    plain = fit(write(tmp_path / "plain", "none", dictionary=False, nullable=False))
    assert not used
    for compression in COMPRESSED:
        model = fit(write(tmp_path / compression, compression))
        assert used
        assert np.array_equal(model.coef_, plain.coef_)
        assert model.intercept_ == plain.intercept_


def test_a_page_with_missing_values_is_left_to_the_encoder(tmp_path):
    source = write(tmp_path / "a", "snappy", missing=range(N // 2, N // 2 + 9))
    reader = tiles.find_tiles(source.footers[0], KINDS, NAMES, 0, N)
    joined = np.empty(9, np.float32)
    assert tile_address(reader.tiles, 0, 0, 9, joined.ctypes.data)
    assert not tile_address(reader.tiles, 0, N // 2, 9, joined.ctypes.data)
    assert tile_address(reader.tiles, 0, 0, 9, joined.ctypes.data)


def test_a_damaged_page_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = write(tmp_path / "a", "snappy", dictionary=False)
    column = pq.read_metadata(tmp_path / "a").row_group(0).column(1)
    content = bytearray((tmp_path / "a").read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    content[middle : middle + 900] = b"\xff" * 900
    (tmp_path / "a").write_bytes(content)
    source = ParquetSource(tmp_path / "a", target="y")
    with pytest.raises(DataError, match="damaged"):
        LogisticRegression(solver="sgd", max_iter=1).fit(source)
