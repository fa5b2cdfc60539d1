"""Pages of the online store: whatever LMDB writes is sound, and what would end the process is refused."""

import os
import shutil
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError
from scalable.feature_store import OnlineStore, materialize
from scalable.feature_store.online.page_check import check_head, check_pages

lmdb = pytest.importorskip("lmdb")
PAGE, PLACES = 4096, 16
HOUR = 3_600_000_000_000
DEFINITIONS = """
[views.pay]
source = "events"
entity = "customer"
event_time = "at"
values = ["amount"]
"""


def put(environment, table, key, value):
    with environment.begin(write=True) as transaction:
        transaction.put(key, value, db=environment.open_db(table, transaction))


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A store of a few thousand rows, most small and some of several pages, from which some were removed."""
    place, rng = tmp_path_factory.mktemp("grown"), np.random.default_rng(0)
    with lmdb.open(str(place), map_size=2**30, max_dbs=4) as environment:
        tables = [environment.open_db(name) for name in (b"meta", b"view pay")]
        size = check_head(place)
        check_pages(place, environment, size, 4)
        for _ in range(12):
            with environment.begin(write=True) as transaction:
                transaction.put(b"store", b"x" * int(rng.integers(1, 30_000)), db=tables[0])
                for _ in range(300):
                    key = struct.pack(">q", int(rng.integers(0, 2_000)) * 7919)
                    if rng.random() < 0.2:
                        transaction.delete(key, db=tables[1])
                    else:
                        transaction.put(key, bytes(int(rng.choice([0, 8, 41, 900, 9_000]))), db=tables[1])
            check_pages(place, environment, size, 4)
    return place


def checked(place):
    size = check_head(place)
    with lmdb.open(str(place), map_size=2**30, max_dbs=4, readonly=True) as environment:
        check_pages(place, environment, size, 4)


def kinds_of(content):
    """Return the pages of branches, leaves and large values."""
    found = {1: [], 2: [], 4: []}
    for page in range(2, len(content) // PAGE):
        number, _, flags = struct.unpack_from("<QHH", content, page * PAGE)
        if number == page and flags in found:
            found[flags].append(page)
    return found


@pytest.fixture
def copy(grown, tmp_path):
    shutil.copytree(grown, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_lmdb_writes_is_sound(grown, copy):
    pages = kinds_of((grown / "data.mdb").read_bytes())
    assert all(pages.values())
    checked(copy)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.95])
def test_a_cut_file_is_refused(copy, share):
    """LMDB maps it as long as it was: whoever reads behind its end is ended by the system."""
    file = copy / "data.mdb"
    os.truncate(file, int(file.stat().st_size * share) or 100)
    with pytest.raises(DataError, match=r"its file is cut|not laid out|says that it has \d+ pages"):
        checked(copy)


@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        (2, 0, 999_999),  # another page's number
        (2, 10, 1),  # a branch
        (2, 12, 4_000),  # more nodes than there are
        (2, 14, 0),  # nodes that begin before the page does
        (2, PLACES, 4_095),  # a node beyond the end
        (2, PLACES, 17),  # or in front of all
        (1, 10, 2),
        (1, PLACES + 2, 4_090),
        (4, 12, 60_000),  # a large value of too many pages
        (4, 10, 2),
    ],
)
def test_pages_that_lead_astray_are_refused(copy, kind, at, value):
    """Each of them in turn: some are of rows that were removed, and nobody's any more."""
    content = (copy / "data.mdb").read_bytes()
    refused = 0
    for page in kinds_of(content)[kind][:20]:
        changed = bytearray(content)
        struct.pack_into("<Q" if at == 0 else "<H", changed, page * PAGE + at, value)
        (copy / "data.mdb").write_bytes(changed)
        try:
            checked(copy)
        except DataError:
            refused += 1
    assert refused


def test_keys_that_a_lookup_would_pass_by_are_refused(copy):
    content = (copy / "data.mdb").read_bytes()
    refused = 0
    for page in kinds_of(content)[2][:30]:
        changed = bytearray(content)
        node = struct.unpack_from("<H", content, page * PAGE + PLACES)[0]
        changed[page * PAGE + node + 8] ^= 0x7F
        (copy / "data.mdb").write_bytes(changed)
        try:
            checked(copy)
        except DataError:
            refused += 1
    assert refused > 3


def test_a_circle_of_pages_ends(copy):
    content = bytearray((copy / "data.mdb").read_bytes())
    for page in kinds_of(content)[1]:
        node = struct.unpack_from("<H", content, page * PAGE + PLACES)[0]
        struct.pack_into("<HHH", content, page * PAGE + node, page & 0xFFFF, page >> 16, 0)
    (copy / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="is not what leads to it says"):
        checked(copy)


@pytest.mark.parametrize(("at", "value"), [(16, 7), (20, 2), (40, 0), (40, 1000), (44, 9), (92, 4), (10, 0)])
def test_heads_of_other_layouts_are_refused(copy, at, value):
    content = bytearray((copy / "data.mdb").read_bytes())
    for page in (0, 1):
        struct.pack_into("<H", content, page * PAGE + at, value)
    (copy / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="not laid out as LMDB's"):
        checked(copy)


def test_a_store_says_so_in_one_line(tmp_path):
    (tmp_path / "features.toml").write_text(DEFINITIONS)
    (tmp_path / "events").mkdir()
    events = pa.table(
        {
            "customer": range(999),
            "at": pa.array([HOUR] * 999).cast(pa.timestamp("ns")),
            "amount": 1.0 * np.arange(999),
        }
    )
    pq.write_table(events, tmp_path / "events" / "0.parquet")
    materialize(tmp_path / "features.toml", tmp_path / "store", horizon=9 * HOUR)
    with OnlineStore(tmp_path / "features.toml", tmp_path / "store") as store:
        assert store.lookup({"customer": 7}, at=9 * HOUR)
    os.truncate(tmp_path / "store" / "data.mdb", 3 * PAGE)
    for create in (False, True):
        with pytest.raises(DataError, match=r"store: the online store is damaged: .*; materialize it anew"):
            OnlineStore(tmp_path / "features.toml", tmp_path / "store", create=create)
