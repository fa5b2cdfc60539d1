"""`scalable describe` of Parquet that was not generated here: every column's numbers are pandas'."""

import json
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_gen.describing.page import render
from scalable.cli.app import build
from scalable.cli.data.any_parquet import describe_parquet
from scalable.cli.data.tables import show_columns
from scalable.cli.screen.failure import run
from scalable.execution.threads import Threads
from scalable.report.figures.confusion import confusion

N = 20_000


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("strangers")
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "number": pa.array(np.where(rng.random(N) < 0.1, np.nan, rng.lognormal(3, 2, N))),
            "count": pa.array([None if k % 7 == 0 else k % 5 for k in range(N)], pa.int16()),
            "word": rng.choice(["a $1 [red]", "b", "c"], N, p=[0.7, 0.2, 0.1]),
            "id": [f"user {k}" for k in range(N)],
            "when": pa.array(rng.integers(0, 10**15, N), pa.timestamp("us")),
            "day": pa.array(rng.integers(0, 20_000, N).astype(np.int32), pa.date32()),
            "flag": rng.random(N) < 0.25,
            "price": pa.array(rng.integers(0, 10**6, N)).cast(pa.decimal128(19, 0)),
            "list": pa.array([[1]] * N),
            "same": np.zeros(N, np.int8),
            "none": pa.nulls(N),
            "y": (np.arange(N) > N // 2).astype(np.int64),
        }
    )
    pq.write_table(table.slice(0, N // 3), place / "a.parquet", row_group_size=1_000)
    pq.write_table(table.slice(N // 3), place / "b.parquet", row_group_size=4_000)
    return place


@pytest.fixture(scope="module")
def found(place):
    return describe_parquet(str(place), Threads(2), "y")


def test_numbers_are_those_of_pandas(place, found):
    frame = pd.read_parquet(place)
    assert (found.rows, found.total_rows, found.files, found.target) == (N, N, 2, "y")
    columns = {each.name: each for each in found.columns}
    assert list(columns) == list(frame.columns)
    for name in ("number", "count", "flag", "price", "same", "y"):
        values, column = frame[name].astype(float), columns[name]
        assert column.missing == pytest.approx(values.isna().mean())
        assert column.mean == pytest.approx(values.mean(), rel=1e-12)
        assert column.deviation == pytest.approx(values.std(ddof=0), rel=1e-9)
        assert (column.minimum, column.maximum) == (values.min(), values.max())
        assert (column.distinct, column.distinct_exact) == (values.nunique(), True)
        assert sum(column.counts) == values.notna().sum()
    for name in ("when", "day"):
        shown = columns[name].shown(columns[name].maximum)
        assert str(pd.to_datetime(frame[name]).max()).startswith(shown)
    assert (
        dict(zip(columns["word"].edges, columns["word"].counts, strict=True))
        == frame["word"].value_counts().to_dict()
    )
    assert [first for first, _, _ in found.label][:1] == [0]
    assert sum(rows * mean for _, rows, mean in found.label) == frame["y"].sum()


def test_remarks_say_what_to_beware_of(found):
    remarks = {each.name: each.law for each in found.columns}
    assert remarks["id"] == "every value another: an identifier?"
    assert (remarks["same"], remarks["none"], remarks["y"]) == ("constant", "no value at all", "the target")
    assert remarks["list"] == "nothing here learns from this type"
    assert remarks["word"].startswith("a $1 [red] 70%, b 20%")
    assert remarks["number"] == ""


def test_columns_of_paths_are_there_beside_one_that_nothing_learns_from(tmp_path):
    for year in (2025, 2026):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        pq.write_table(
            pa.table({"x": [1.0, np.inf, np.nan, -np.inf], "list": [[1]] * 4}), folder / "a.parquet"
        )
    columns = {each.name: each for each in describe_parquet(str(tmp_path), Threads(1)).columns}
    assert (columns["year"].distinct, columns["year"].minimum, columns["year"].maximum) == (2, 2025, 2026)
    assert columns["year"].law == ""
    assert columns["x"].law == "4 infinite values: learners refuse them"
    assert columns["list"].law == "nothing here learns from this type"


def test_threads_and_workers_find_the_same(place, found, dask_client):
    from scalable.execution.dask import Dask

    expected = found.to_json()
    for executor in (Threads(1), Dask(dask_client)):
        assert describe_parquet(str(place), executor, "y").to_json() == expected


def test_the_command(place, tmp_path, capsys):
    words = ["describe", str(place), "--target", "y"]
    assert (
        run(build(), [*words, "--out", str(tmp_path / "page.html"), "--json", str(tmp_path / "d.json")]) == 0
    )
    shown = capsys.readouterr().out
    assert "every value another" in shown
    assert "timestamp[us]" in shown
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") >= 8
    assert "law</th>" not in page
    assert "Knobs" not in page
    rows = json.loads((tmp_path / "d.json").read_text())["sections"]["describe"]
    assert rows["rows_read"] == N
    assert run(build(), [*words, "--rows", "5000"]) == 0
    assert "a sample of" in capsys.readouterr().out
    assert sorted(path.name for path in place.iterdir()) == [
        "a.parquet",
        "b.parquet",
    ]  # nothing is put beside them


def test_what_is_shown_of_large_numbers_and_of_texts_without_letters(tmp_path, capsys):
    rows = {"id": range(100_000, 120_000), "note": ["", "seen"] * 10_000, "share": [0.25, 12345.678] * 10_000}
    pq.write_table(pa.table({name: list(values) for name, values in rows.items()}), tmp_path / "a.parquet")
    assert run(build(), ["describe", str(tmp_path), "--out", str(tmp_path / "a.html")]) == 0
    shown = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert shown["id"][2:6] == ["20,000", "100,000", "110,000", "119,999"]
    assert shown["share"][3:6] == ["0.25", "6,173", "12,346"]
    assert shown["note"][-4:] == ["(empty)", "50%,", "seen", "50%"]
    page = (tmp_path / "a.html").read_text()
    assert "(empty)" in page
    assert "1 file," in page
    assert ">100,000<" in page  # a mark of the histogram, far from the next
    assert ">102,500<" not in page


def test_what_cannot_be_described_is_said(place, tmp_path, capsys):
    pq.write_table(pa.table({"l": pa.array([[1]])}), tmp_path / "lists.parquet")
    (tmp_path / "text.parquet").write_text("no")
    for words, said in (
        ([str(tmp_path / "none.parquet")], "no such file"),
        ([str(tmp_path / "lists.parquet")], "'l' is list"),
        ([str(tmp_path / "text.parquet")], "text.parquet"),
        ([str(place), "--target", "z"], "no target column 'z'"),
        ([str(place), "--rows", "0"], "rows"),
    ):
        assert run(build(), ["describe", *words]) != 0, words
        error = capsys.readouterr().err
        assert said in error, (words, error)


def test_states_stay_small_when_every_text_differs(tmp_path):
    sizes = []
    for rows in (70_000, 140_000):
        pq.write_table(pa.table({"id": [f"{k:x}" for k in range(rows)]}), tmp_path / f"{rows}.parquet")
        column = describe_parquet(str(tmp_path / f"{rows}.parquet"), Threads(1)).columns[0]
        assert column.distinct == pytest.approx(rows, rel=0.02)
        assert not column.distinct_exact
        sizes.append(len(column.edges))
    assert max(sizes) <= 12


def test_names_of_any_script_are_drawn_without_a_word(tmp_path):
    table = pa.table({"産地": ["日本", "日本", "é"], "y": [0, 1, 0]})
    pq.write_table(table, tmp_path / "rows.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = render(describe_parquet(str(tmp_path / "rows.parquet"), Threads(1)))
        picture = confusion({"model": "m", "confusion": [[1, 0], [0, 1]]}, ["日本", "é"])
    assert re.search(r"<text[^>]*>日本</text>", page)
    assert "日本</text>" in picture.svg


def test_bins_of_a_column_in_the_order_of_rows_are_as_wide_at_its_ends(tmp_path):
    rows = 400_000
    pq.write_table(
        pa.table({"x": np.arange(rows, dtype=np.float64)}), tmp_path / "rows.parquet", row_group_size=rows
    )
    (column,) = describe_parquet(str(tmp_path / "rows.parquet"), Threads(1)).columns
    widths = np.diff(column.edges)
    assert widths.max() < 1.01 * widths.min()


def test_no_cell_is_cut_on_a_narrow_terminal(monkeypatch, capsys):
    """A time is folded between its day and its hour; a figure with its last digits cut off would be another one."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    cells = [
        "distance_home_km",
        "timestamp[ms, UTC]",
        "ms since 1970 UTC",
        "54.3%",
        "~199,970",
        *["2020-01-01 09:08"] * 3,
    ]
    headings = ["column", "type", "unit", "missing", "distinct", "min", "mean", "max"]
    show_columns(SimpleNamespace(table=lambda: [headings, cells]))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(word in shown for cell in cells for word in cell.split())
