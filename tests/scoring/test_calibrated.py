"""Models saved with their curve: what they predict, on every road, and what is no such model."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import ModelError, UsageError
from scalable.evaluate import Calibrator
from scalable.inference import compile_model, load_model
from scalable.linear import LogisticRegression
from scalable.models.store import read_model
from scalable.scoring.calibrated import read_calibrated, save_calibrated

N = 3_000
ROWS = [{"x": 0.5, "kind": "b"}, {"x": None, "kind": "a"}, {"x": -3.0, "kind": "new"}]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("calibrated")
    rng = np.random.default_rng(0)
    x, kind = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    y = (x + (kind == "b") + rng.normal(size=N) > 0).astype(int)
    many = np.where(y == 1, 2, rng.integers(0, 2, N))
    pq.write_table(pa.table({"x": x, "kind": kind, "y": y, "many": many}), place / "rows.parquet")
    return place


@pytest.fixture(scope="module")
def models(place):
    def source(target, features=("x", "kind")):
        return ParquetSource(place / "rows.parquet", target=target, features=list(features))

    LogisticRegression().fit(source("y")).save(place / "linear.model")
    LGBMClassifier(n_estimators=20, n_jobs=1).fit(source("y")).save(place / "forest.model")
    LGBMClassifier(n_estimators=5, n_jobs=1).fit(source("many")).save(place / "many.model")
    GaussianNB().fit(source("y", ["x"])).save(place / "bayes.model")
    return place


@pytest.mark.parametrize(
    ("name", "target", "method"),
    [
        ("linear", "y", "platt"), ("forest", "y", "isotonic"), ("forest", "y", "temperature"),
        ("bayes", "y", "isotonic"),
        ("many", "many", "temperature"),
    ],
)  # fmt: skip
def test_every_road_gives_the_corrected_probability(models, tmp_path, name, target, method):
    rows = ParquetSource(models / "rows.parquet", target=target)
    before = load_model(models / f"{name}.model")
    curve = Calibrator.fit(before, rows, method)
    save_calibrated(tmp_path / "c.model", models / f"{name}.model", curve)
    after = pickle.loads(pickle.dumps(load_model(tmp_path / "c.model")))
    assert (after.task, after.classes, after.needed) == (before.task, before.classes, before.needed)
    expected = curve.apply(before.predict(rows))
    np.testing.assert_array_equal(after.predict(rows), expected)
    assert not np.array_equal(expected, before.predict(rows))
    drawn = ROWS if name != "bayes" else [ROWS[0], ROWS[2]]
    np.testing.assert_array_equal(after.predict(drawn), [after.predict_one(row) for row in drawn])
    np.testing.assert_array_equal(after.predict(drawn), curve.apply(before.predict(drawn)))
    frame = pq.read_table(models / "rows.parquet").slice(0, 50)
    taken = frame.to_pylist()
    np.testing.assert_array_equal(after.predict(frame), [after.predict_one(row) for row in taken])
    with pytest.raises(ModelError, match="needs its encoder"):
        compile_model(tmp_path / "c.model")


def test_the_command_line_takes_it_everywhere(models, tmp_path, capsys, monkeypatch):
    data, out = str(models / "rows.parquet"), tmp_path / "c.model"
    command = [
        "calibrate",
        str(models / "forest.model"),
        data,
        "--target",
        "y",
        "--method",
        "platt",
        "--model",
    ]
    assert run(build(), [*command, str(out), "--json", str(tmp_path / "c.json")]) == 0
    curve = Calibrator(**json.loads((tmp_path / "c.json").read_text())["sections"]["curve"])
    assert f"{models / 'forest.model'} with this curve" in capsys.readouterr().out
    assert run(build(), [*command, str(out)]) == 2
    assert "there is a model already" in capsys.readouterr().err
    assert run(build(), [*command, str(out), "--overwrite", "--quiet"]) == 0
    assert run(build(), ["predict", str(out), data, "--out", str(tmp_path / "p"), "--quiet"]) == 0
    found = pq.read_table(tmp_path / "p")
    expected = curve.apply(load_model(models / "forest.model").predict(pq.read_table(data)))
    np.testing.assert_array_equal(found.column(found.column_names[-1]).to_numpy(), expected)
    for words in (
        ["evaluate", str(out), data, "--target", "y"],
        ["monitor", str(out), data],
        ["explain", str(out), data, "--out", str(tmp_path / "e")],
        ["card", str(out), data, "--target", "y", "--out", str(tmp_path / "card.html")],
    ):
        assert run(build(), [*words, "--quiet"]) == 0, (words, capsys.readouterr().err)
    shutil.copy(models / "forest.model" / "booster.txt", tmp_path / "forest.txt")
    monkeypatch.setattr(Calibrator, "fit", pytest.fail)  # what cannot be written is not learned first
    command[1] = str(tmp_path / "forest.txt")
    assert run(build(), [*command, str(tmp_path / "d.model")]) == 1
    assert "forest.txt: a curve is written into the directory" in capsys.readouterr().err
    assert run(build(), [*command[:5], "--model", str(tmp_path / "d.model")]) == 2
    assert "--model goes with --method" in capsys.readouterr().err


def test_what_is_no_calibrated_model(models, tmp_path):
    curve = Calibrator("platt", 0.9, 0.1)
    save_calibrated(tmp_path / "c.model", models / "linear.model", curve)
    with pytest.raises(ModelError, match="calibrated model of a calibrated"):
        save_calibrated(tmp_path / "twice.model", tmp_path / "c.model", curve)
    with pytest.raises(UsageError, match="corrects the probability of the positive class"):
        save_calibrated(tmp_path / "many.model", models / "many.model", curve)
    with pytest.raises(ModelError, match="not a saved model"):
        save_calibrated(tmp_path / "none.model", models / "rows.parquet", curve)
    LGBMRegressor(n_estimators=2, n_jobs=1).fit(
        ParquetSource(models / "rows.parquet", target="x", features=["kind"])
    ).save(tmp_path / "mean.model")
    with pytest.raises(ModelError, match="the model's task is regression"):
        save_calibrated(tmp_path / "none.model", tmp_path / "mean.model", curve)
    assert not (tmp_path / "none.model").exists()
    stored = read_model(tmp_path / "c.model")
    for changed in (
        {**stored.meta["curve"], "slope": "steep"}, {**stored.meta["curve"], "method": "guess"},
        {**stored.meta["curve"], "method": "isotonic", "given": [0.5, 0.1], "rates": [0.0, 1.0]}, None,
        {**stored.meta["curve"], "slope": float("nan")},
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):  # which `load_model` tells as a ModelError
            read_calibrated(replace(stored, meta={**stored.meta, "curve": changed}))
