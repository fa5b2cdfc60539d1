"""A model's card: quality by segment is that of the rows alone, directions and limits are said, the page holds all."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.cli.app import build
from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.scoring.card import card
from scalable.scoring.evaluate import evaluate_model


def rows(n, seed):
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((2, n))
    kind = rng.choice(["a", "b", "c"], n, p=[0.6, 0.39, 0.01])
    y = (x - z**2 + (kind == "a") + rng.standard_normal(n) > 0).astype(int)
    mask = rng.random(n) < 0.02
    columns = {"x": x, "z": z, "kind": pa.array(kind, mask=mask), "where": rng.choice(["here", "there"], n)}
    return pa.table({**columns, "y": y})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("card")
    source = TableSource(rows(3000, 0).drop_columns("where"), "y")
    forest = LGBMClassifier(n_estimators=20, num_leaves=7, verbose=-1, monotone_constraints=[1, 0, 0])
    forest.fit(source).save(path / "forest")
    LogisticRegression(n_workers=1).fit(source).save(path / "linear")
    pq.write_table(rows(6000, 1), path / "held.parquet", row_group_size=1000)
    return path


def test_segments_have_the_quality_of_their_rows(place):
    model, data = load_model(place / "forest"), place / "held.parquet"
    source = ParquetSource(str(data), target="y", features=model.needed)
    found = card(place / "forest", model, source, Threads(1), ["kind", "where"])
    table = pq.read_table(data)
    segments = [(row["column"], row["segment"]) for row in found["segments"]]
    assert segments[:4] == [("kind", name) for name in ("a", "b", "c", "(missing)")]
    assert sorted(segments[4:]) == [("where", "here"), ("where", "there")]
    for row in found["segments"]:
        column = table[row["column"]]
        mask = pc.is_null(column) if row["segment"] == "(missing)" else pc.equal(column, row["segment"])
        alone = evaluate_model(model, TableSource(table.filter(mask), "y"), Threads(1))
        assert row["rows"] == alone.rows
        assert row["log_loss"] == pytest.approx(alone.log_loss, rel=1e-12)
        assert row["auc"] == pytest.approx(alone.auc, abs=0.02)  # of a coarser histogram
    assert any("kind = c" in line for line in found["limits"])
    shown = {row["column"]: row for row in found["directions"]}
    assert shown["x"]["promised"] == shown["x"]["sample_shows"] == "rising"
    assert shown["z"]["promised"] is None
    assert sum(row["first_reason"] for row in found["reasons"]) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="'nowhere', which is not a column"):
        card(place / "forest", model, source, Threads(1), ["nowhere"])


def test_a_linear_model_promises_its_signs_and_segments_are_chosen(place):
    model = load_model(place / "linear")
    source = ParquetSource(str(place / "held.parquet"), target="y", features=model.needed)
    found = card(place / "linear", model, source, Threads(1))
    assert {row["column"] for row in found["segments"]} == {"kind"}
    promised = {row["column"]: row["promised"] for row in found["directions"]}
    assert promised["x"] == "rising"
    assert found["model"]["kind"] == "linear"


def test_the_command_writes_a_page(place, tmp_path):
    arguments = [
        "card",
        str(place / "forest"),
        str(place / "held.parquet"),
        "--target",
        "y",
        "--workers",
        "1",
    ]
    out, found = tmp_path / "card.html", tmp_path / "card.json"
    result = CliRunner().invoke(build(), [*arguments, "--out", str(out), "--json", str(found)])
    assert result.exit_code == 0, result.output
    page = out.read_text()
    for words in ("Segments", "Directions", "Reasons", "Limits", "Reliability", "log odds"):
        assert words in page, words
    assert "not of the shape" not in page
    assert len(json.loads(found.read_text())["sections"]["dataset"]["checksum"]) == 16
