"""`describe`: the numbers of the sample, a page that needs nothing from outside."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_gen
from data_gen.describing.page import render
from data_gen.describing.summary import Distinct, Summary, edges_for, hashed
from data_gen.errors import VerificationError


@pytest.mark.parametrize("name", ["fraud", "mixture"])
def test_a_page_needs_nothing_from_outside(name, small, tmp_path):
    small(name, rows=10_000)
    description = data_gen.describe(tmp_path / "data")
    page = render(description)
    assert page.count("<svg") >= min(len(description.columns), 60)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert name in page
    assert (f">mean of {description.target}<" in page and ">10,000<" in page) or name != "fraud"
    assert all(c.law in page for c in description.columns if not set("&<>'\"") & set(c.law))


def test_numbers_are_those_of_the_rows(small, tmp_path):
    manifest = small()
    description = data_gen.describe(tmp_path / "data")
    frame = pa.concat_tables([pq.read_table(path) for path in manifest.paths]).to_pandas()
    assert description.rows == len(frame)
    found = {c.name: c for c in description.columns}
    assert found["amount_cents"].mean == pytest.approx(frame["amount_cents"].mean())
    assert found["credit_score"].missing == pytest.approx(frame["credit_score"].isna().mean())
    assert found["channel"].edges[0] == frame["channel"].value_counts().index[0]
    assert found["distance_last_km"].distinct == frame["distance_last_km"].nunique()
    for column in description.columns:
        assert sum(column.counts) <= description.rows
        if column.type != "category" and column.distinct:
            assert sum(column.counts) == round(description.rows * (1 - column.missing)), column.name
    assert sum(n for _, n, _ in description.label) == manifest.rows
    rate = sum(n * m for _, n, m in description.label) / manifest.rows
    assert rate == pytest.approx(frame["is_fraud"].mean())


def test_bins_of_a_column_in_the_order_of_rows_are_as_wide_at_the_end(small, tmp_path):
    small(rows=2**17, rows_per_file=2**17, row_group_rows=2**17)
    time = next(c for c in data_gen.describe(tmp_path / "data").columns if c.name == "time")
    widths = np.diff(time.edges)
    assert widths.max() < 1.01 * widths.min()


def test_table_and_json(small, tmp_path):
    small(rows=5000)
    description = data_gen.describe(tmp_path / "data")
    heading, *rows = description.table()
    assert all(len(row) == len(heading) for row in rows)
    units = {row[0]: row[heading.index("unit")] for row in rows}
    assert (units["amount_cents"], units["is_fraud"]) == ("cent", "")
    raw = description.to_json()
    assert (
        raw["truth"]["auc"]["expected"] == data_gen.read_manifest(tmp_path / "data").truth["auc"]["expected"]
    )
    assert [c["name"] for c in raw["columns"]] == [row[0] for row in rows]


def test_a_damaged_file_is_named(small, tmp_path):
    small(rows=5000)
    (tmp_path / "data" / "part-000000.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(VerificationError, match=r"part-000000.parquet cannot be read"):
        data_gen.describe(tmp_path / "data")


def test_the_page_may_stay_beside_the_data(small, tmp_path):
    small(rows=5000)
    (tmp_path / "data" / "describe.html").write_text("x")
    small(rows=5000, resume=True)
    assert data_gen.verify(tmp_path / "data") == []
    assert np.isfinite(data_gen.describe(tmp_path / "data").rows)


def test_all_rows_count(tmp_path):
    data_gen.generate("fraud", rows=100_000, out=tmp_path / "d", rows_per_file=30_000, row_group_rows=8192)
    frame = pa.concat_tables(
        [pq.read_table(p) for p in sorted((tmp_path / "d").glob("*.parquet"))]
    ).to_pandas()
    reached = []
    description = data_gen.describe(tmp_path / "d", progress=reached.append)
    assert reached[-1] == description.rows == len(frame)
    for column in description.columns:
        if column.type == "category":
            assert column.distinct == frame[column.name].nunique()
            continue
        values = frame[column.name]
        if column.is_time:
            values = values.astype("int64")
        assert column.minimum == pytest.approx(float(values.min()), rel=1e-6)
        assert column.maximum == pytest.approx(float(values.max()), rel=1e-6)
        assert column.deviation == pytest.approx(float(values.astype(float).std(ddof=0)), rel=1e-6)
        assert column.distinct == pytest.approx(values.nunique(), rel=0 if column.distinct_exact else 0.02)
        assert sum(column.counts) == values.notna().sum()
    first, rows, mean = description.label[10]
    assert mean == pytest.approx(frame["is_fraud"].iloc[first : first + rows].mean())


def test_a_sample_is_spread_and_called_one(tmp_path):
    data_gen.generate("fraud", rows=100_000, out=tmp_path / "d", row_group_rows=8192)
    description = data_gen.describe(tmp_path / "d", rows=30_000)
    assert 24_000 <= description.rows <= 40_000
    assert "a sample of" in description.read
    assert description.label[0][0] == 0
    assert description.label[-1][0] > 90_000
    assert "a sample of" in render(description)
    assert description.to_json()["rows_read"] == description.rows


def test_distinct_values_are_estimated_beyond_what_is_kept():
    found = Distinct()
    for start in range(0, 10**6, 10**5):
        found.add(hashed(np.arange(start, start + 10**5 + 500, dtype=np.float64)))
    assert not found.exact
    assert found.count() == pytest.approx(10**6 + 500, rel=0.015)
    few = Distinct()
    few.add(hashed(np.repeat(np.arange(1000.0), 3)))
    assert (few.exact, few.count()) == (True, 1000)


def test_huge_numbers_have_a_mean_and_a_range():
    """Squares that overflow were an OverflowError of Python's."""
    edges = edges_for(pa.chunked_array([np.linspace(-1.0, 1.0, 200) * 1e308]))
    one, other = Summary(edges), Summary(edges)
    one.add(pa.array([1e308, 1e308]))
    other.add(pa.array([-1e300]))
    one.merge(other)
    assert (one.minimum, one.maximum, one.present, one.squares) == (-1e300, 1e308, 3, np.inf)
    assert one.mean == pytest.approx(1e308 / 3 * 2)
