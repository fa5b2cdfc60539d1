"""What a pass over a file leaves behind is bounded: many tiny files show in seconds what a billion rows would."""

import ctypes
import gc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.bayes import GaussianNB
from scalable.data.readers import layout
from scalable.linear import LogisticRegression

FEW, MORE = 10, 100
MOST_BYTES = 10_000  # a file; footers that wait for the collector are 70,000


class Heap(ctypes.Structure):
    """What the GNU C library tells of its heaps, in its order."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def bytes_in_use():
    told = ctypes.CDLL(None).mallinfo2
    told.restype = Heap
    found = told()
    return found.uordblks + found.hblkhd


def scan(source):
    for shard in source.shards:
        for block in source.raw_blocks(shard):
            assert block.n_rows


def newton(source):
    LogisticRegression(solver="newton", max_iter=3).fit(source)


def naive_bayes(source):
    GaussianNB().fit(source)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only the GNU C library tells")
@pytest.mark.filterwarnings("ignore")  # of too few passes, and of scales
@pytest.mark.parametrize("learn", [scan, newton, naive_bayes])
def test_a_file_leaves_few_bytes_although_the_collector_never_comes(learn, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    columns = {f"x{k}": rng.normal(size=64).astype(np.float32) for k in range(12)}
    pq.write_table(pa.table({**columns, "y": rng.integers(0, 2, 64)}), tmp_path / "0", row_group_size=8)
    content = (tmp_path / "0").read_bytes()
    for k in range(FEW + MORE):
        (tmp_path / f"{k:03}.parquet").write_bytes(content)
    # What is remembered on purpose is bounded by other tests.
    for name, value in {"KEPT_BYTES": 0, "FEW_FILES": 4, "KEPT_BYTES_OF_GROUPS": 0, "FEW_GROUPS": 4}.items():
        monkeypatch.setattr(layout, name, value)
    files, found = sorted(tmp_path.glob("*.parquet")), []
    for n in (FEW, FEW, FEW + MORE):  # the first loads kernels
        gc.collect()
        gc.disable()
        try:
            source = ParquetSource(files[:n], target="y")
            learn(source)
            found.append(bytes_in_use())
        finally:
            gc.enable()
    assert (found[2] - found[1]) / MORE < MOST_BYTES
