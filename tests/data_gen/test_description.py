"""`describe`: the numbers of the sample, a page that needs nothing from outside."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_gen
from data_gen.describing.page import render
from data_gen.errors import VerificationError


@pytest.mark.parametrize("name", ["fraud", "mixture"])
def test_a_page_needs_nothing_from_outside(name, small, tmp_path):
    small(name, rows=10_000)
    description = data_gen.describe(tmp_path / "data")
    page = render(description)
    assert page.count("<svg") >= min(len(description.columns), 60)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert name in page
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


def test_table_and_json(small, tmp_path):
    small(rows=5000)
    description = data_gen.describe(tmp_path / "data")
    heading, *rows = description.table()
    assert all(len(row) == len(heading) for row in rows)
    raw = description.to_json()
    assert raw["truth"]["auc"]["expected"] == description.manifest.truth["auc"]["expected"]
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
