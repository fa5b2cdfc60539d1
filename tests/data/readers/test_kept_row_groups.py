"""What is remembered of row groups stays small however many a file or a dataset has."""

import gc
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable import ParquetSource
from scalable.data.footers import read_footers
from scalable.data.readers import coded_layout, layout, pages, read_columns


def read(source):
    return [
        float(np.sum(block.arrays["x"].to_numpy()))
        for shard in source.shards
        for block in source.raw_blocks(shard)
    ]


def test_row_groups_beyond_the_bytes_that_are_kept_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "KEPT_BYTES_OF_GROUPS", 100_000)
    monkeypatch.setattr(layout, "FEW_GROUPS", 3)
    table = pa.table({"x": np.arange(20_000.0)})
    for k in range(4):
        pq.write_table(table, tmp_path / f"{k}.parquet", row_group_size=500)
    source = ParquetSource(tmp_path)
    expected = read(source)
    held = sum(each.n_bytes for each in layout._groups.values())
    assert 50_000 < held <= 150_000  # those of one shard more
    assert read(source) == expected
    pq.write_table(table, tmp_path / "large.parquet", row_group_size=4_000)
    assert len(read(ParquetSource(tmp_path / "large.parquet"))) >= 1
    assert len(layout._groups) <= 10  # few, or few bytes


def test_row_groups_that_were_met_before_they_were_read_are_forgotten_too(tmp_path, monkeypatch):
    """Who fetches ahead meets them all, empty; what they grew to later was never looked at."""
    monkeypatch.setattr(layout, "KEPT_BYTES_OF_GROUPS", 100_000)
    monkeypatch.setattr(layout, "FEW_GROUPS", 3)
    for k in range(4):
        pq.write_table(pa.table({"x": np.arange(20_000.0)}), tmp_path / f"{k}.parquet", row_group_size=500)
    source = ParquetSource(tmp_path)
    met = [each for footer in source.footers.values() for each in layout.row_groups(footer, 0, 20_000)]
    assert len({id(each) for each in met}) == 160
    read(source)
    assert sum(each.n_bytes for each in layout._groups.values()) <= 100_000


def test_pages_that_are_walked_again_farther_count_once(tmp_path):
    """What a longer walk replaced counted too: a group that was looked at before it was read weighed twice as much."""
    pq.write_table(
        pa.table({"x": np.arange(20_000.0), "y": np.arange(20_000.0)}),
        tmp_path / "f.parquet",
        data_page_size=2_000,
        use_dictionary=False,
    )
    (footer,), _ = read_footers([str(tmp_path / "f.parquet")])
    weights = []
    with open(footer.path, "rb") as file:
        for stops in ([20_000], [1, 20_000], [1, 1_500, 20_000]):
            layout._groups.clear()
            (group,) = layout.row_groups(footer, 0, 20_000)
            for stop in stops:
                group.walk(file.fileno(), ["x", "y"], stop)
            weights.append(group.n_bytes)
    assert weights[0] > 2 * layout.OBJECT_BYTES
    assert weights == [weights[0]] * 3


def test_no_footer_of_pyarrow_is_kept_with_them(tmp_path):
    for k in range(30):
        pq.write_table(pa.table({"x": np.arange(10.0) + k}), tmp_path / f"{k:02d}.parquet")
    read(ParquetSource(tmp_path))
    held = [each for (path, _, _), each in layout._groups.items() if path.startswith(str(tmp_path))]
    assert len(held) == 30
    assert all(isinstance(shape, layout.ColumnShape) for each in held for shape in each.columns.values())
    assert all(each.chunks.base is None for each in held)


def test_footers_are_parsed_once_however_often_the_files_are_read(tmp_path, monkeypatch):
    for k in range(20):
        pq.write_table(pa.table({"x": np.arange(10.0) + k}), tmp_path / f"{k:02d}.parquet")
    source, taken, parse, walk = ParquetSource(tmp_path), [], pq.read_metadata, layout.read_tables
    monkeypatch.setattr(pq, "read_metadata", lambda *a, **k: taken.append("parsed") or parse(*a, **k))
    monkeypatch.setattr(layout, "read_tables", lambda *a: taken.append("walked") or walk(*a))
    monkeypatch.setattr(layout, "_known_shapes", {})
    expected = read(source)
    assert (taken.count("walked"), taken.count("parsed")) == (20, 1)  # all say the same of their columns
    assert read(source) == expected
    assert len(taken) == 21
    monkeypatch.setattr(layout, "KEPT_BYTES", 0)
    monkeypatch.setattr(layout, "FEW_FILES", 3)
    layout._groups.clear()
    layout.file_metadata.cache_clear()
    pq.write_table(pa.table({"x": np.arange(10.0)}), tmp_path / "more.parquet")
    assert len(read(ParquetSource(tmp_path))) >= 1
    assert len(layout._layouts) <= 3


def test_columns_are_those_of_a_file_whose_footer_says_the_same_and_of_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_known_shapes", {})
    kinds = [pa.timestamp("ms"), pa.timestamp("us"), pa.int64(), pa.int32(), pa.timestamp("ms")]
    for k, kind in enumerate(kinds):  # the last column: all that says so lies behind its name
        pq.write_table(
            pa.table({"x": [0.5] * (k + 1), "t": pa.array([k] * (k + 1), kind)}), tmp_path / f"{k}.parquet"
        )
    footers, _ = read_footers([str(tmp_path / f"{k}.parquet") for k in range(5)])
    found = [layout.file_layout(each.path, each.version).columns for each in footers]
    said = [(each["t"].physical, each["t"].unit) for each in found]
    ms, us = ("INT64", "milliseconds"), ("INT64", "microseconds")
    assert said == [ms, us, ("INT64", ""), ("INT32", ""), ms]
    assert found[4] is found[0]
    for k in range(2 * layout.FEW_FILES):
        pq.write_table(pa.table({f"x{k}": [0.5]}), tmp_path / "other.parquet")
        ((other,), _) = read_footers([str(tmp_path / "other.parquet")])
        assert [*layout.file_layout(other.path, other.version).columns] == [f"x{k}"]
    assert len(layout._known_shapes) <= layout.FEW_FILES


def test_footers_do_not_wait_for_the_collector(tmp_path):
    for k in range(20):
        pq.write_table(pa.table({"x": np.arange(10.0) + k}), tmp_path / f"{k:02d}.parquet")
    source = ParquetSource(tmp_path)
    gc.collect()
    gc.freeze()  # what is older is none of ours
    gc.disable()  # it comes when it likes: a megabyte of each of several files waited for it meanwhile
    try:
        read(source)
        waiting = [each for each in gc.get_objects() if isinstance(each, pq.FileMetaData)]
    finally:
        gc.enable()
        gc.unfreeze()
    assert len(waiting) <= 1


def test_a_slower_thread_does_not_take_away_pages_that_another_walked_further(tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    table = pa.table({"x": np.arange(60_000.0)})
    pq.write_table(table, path, use_dictionary=False, compression="none", data_page_size=8_000)
    source = ParquetSource(path)
    read(source)
    (key,) = [key for key in layout._groups if key[0] == str(path)]
    group, walk = layout._groups[key], layout.page_walk.walk_chunks
    group.known.clear()

    def overtaken(descriptor, *rest):
        monkeypatch.setattr(layout.page_walk, "walk_chunks", walk)
        group.walk(descriptor, ["x"], 60_000)  # by another thread, meanwhile
        return walk(descriptor, *rest)

    monkeypatch.setattr(layout.page_walk, "walk_chunks", overtaken)
    with path.open("rb") as file:
        group.walk(file.fileno(), ["x"], 1_000)
    assert group.known["x"][0] == 60_000


def test_pages_are_not_looked_for_again_up_to_where_the_last_one_ends(tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.arange(60_000.0)}), path, use_dictionary=False, compression="none")
    (found,) = layout.row_groups(ParquetSource(path).footers[0], 0, 100)
    walked, walk = [], layout.page_walk.walk_chunks
    monkeypatch.setattr(layout.page_walk, "walk_chunks", lambda *a: walked.append(a[4]) or walk(*a))
    with path.open("rb") as file:
        found.walk(file.fileno(), ["x"], 100)
        first = int(found.walked("x").table[0, 1])
        assert found.known["x"][0] == first > 100
        found.walk(file.fileno(), ["x"], first)
        assert walked == [100]
        found.walk(file.fileno(), ["x"], first + 1)
    assert walked == [100, min(60_000, 2 * first)]


def test_a_dictionary_is_loaded_once_for_all_pieces_of_a_row_group(tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 50, 30_000), np.array(["a", "b", "c"])[rng.integers(0, 3, 30_000)]
    pq.write_table(pa.table({"x": x, "t": t}), path)
    (footer,), (schema,) = read_footers([str(path)])
    monkeypatch.setattr(pages, "CODED", SimpleNamespace(pays=lambda work: True))
    loads, load = [], coded_layout.dictionaries.load_dictionaries
    monkeypatch.setattr(
        coded_layout.dictionaries, "load_dictionaries", lambda *a: loads.append(len(a[1])) or load(*a)
    )
    for start in (0, 10_000, 20_000):
        ((found, text),) = read_columns(footer, schema, ["x", "t"], start, start + 10_000, 10_000)
        assert found.to_pylist() == x[start : start + 10_000].tolist()
        assert text.to_pylist() == t[start : start + 10_000].tolist()
    assert loads == [2]
    (group,) = layout.row_groups(footer, 0, 1)
    assert group.n_bytes >= 8 * 50
