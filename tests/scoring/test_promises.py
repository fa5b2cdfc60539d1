"""`predict --within`: files hold what `Conformal.predict` gives, row by row."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import DataError
from scalable.evaluate import Conformal
from scalable.execution.dask import Dask
from scalable.inference import load_model
from scalable.scoring.predict_files import score

N = 4_000


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("promises")
    rng = np.random.default_rng(0)
    x, group = rng.normal(size=N), rng.choice(["calm", "wild"], N)
    y = x + rng.normal(size=N) * np.where(group == "wild", 3.0, 0.3)
    kind = np.digitize(x + rng.normal(size=N), [-0.5, 0.5])
    pq.write_table(pa.table({"x": x, "group": group, "y": y, "kind": kind}), place / "rows.parquet")
    for name, options in (("mean", {}), ("low", {"objective": "quantile", "alpha": 0.05}),
                          ("high", {"objective": "quantile", "alpha": 0.95})):  # fmt: skip
        source = ParquetSource(place / "rows.parquet", target="y", features=["x"])
        LGBMRegressor(n_estimators=10, n_jobs=1, **options).fit(source).save(place / name)
    source = ParquetSource(place / "rows.parquet", target="kind", features=["x"])
    LGBMClassifier(n_estimators=5, n_jobs=1).fit(source).save(place / "kind")
    return place


@pytest.mark.parametrize(
    ("model", "target", "upper", "by"),
    [
        ("mean", "y", None, None),
        ("mean", "y", None, "group"),
        ("low", "y", "high", None),
        ("kind", "kind", None, None),
    ],
)
def test_files_hold_the_intervals_and_sets(place, tmp_path, capsys, model, target, upper, by):
    data, out = str(place / "rows.parquet"), tmp_path / "scored"
    more = [] if upper is None else ["--upper", str(place / upper)]
    words = [str(place / model), data, *more]
    calibrate = ["calibrate", *words, "--target", target, "--out", str(tmp_path / "c.json"), "--quiet"]
    assert run(build(), calibrate + ([] if by is None else ["--by", by])) == 0
    assert (
        run(build(), ["predict", *words, "--within", str(tmp_path / "c.json"), "--out", str(out), "--quiet"])
        == 0
    )
    table = pq.read_table(out)
    predictor, high = load_model(place / model), None if upper is None else load_model(place / upper)
    rows = pq.read_table(data)
    expected = Conformal.load(tmp_path / "c.json").predict(predictor, rows, high)
    names = ["lower", "upper"] if target == "y" else ["holds_0", "holds_1", "holds_2"]
    assert table.column_names[-len(names) :] == names
    np.testing.assert_array_equal(np.stack([table[name].to_numpy() for name in names], axis=1), expected)
    predicted = np.stack([table[name].to_numpy() for name in table.column_names[: -len(names)]], axis=1)
    np.testing.assert_array_equal(predicted.squeeze(), predictor.predict(rows))


def test_on_workers_and_resumed(place, tmp_path, dask_client):
    source = ParquetSource(place / "rows.parquet", features=["x", "group"])
    model = load_model(place / "mean")
    held = ParquetSource(place / "rows.parquet", target="y")
    promised = Conformal.calibrate(model, held, by="group")
    assert score(model, source, tmp_path / "a", within=promised) == N
    assert score(model, source, tmp_path / "b", within=promised, executor=Dask(dask_client)) == N
    assert pq.read_table(tmp_path / "a").equals(pq.read_table(tmp_path / "b"))
    assert score(model, source, tmp_path / "a", within=promised, resume=True) == 0
    wider = Conformal.calibrate(model, held, by="group", alpha=0.01)
    with pytest.raises(DataError, match=r"begun as another job \(alpha was 0.1, is 0.01"):
        score(model, source, tmp_path / "a", within=wider, resume=True)


def test_what_does_not_go_together_is_said(place, tmp_path, capsys):
    data = str(place / "rows.parquet")
    calibrate = [
        "calibrate",
        str(place / "kind"),
        data,
        "--target",
        "kind",
        "--out",
        str(tmp_path / "c.json"),
    ]
    assert run(build(), [*calibrate, "--quiet"]) == 0
    within = ["--within", str(tmp_path / "c.json"), "--out", str(tmp_path / "o")]
    assert run(build(), ["predict", str(place / "mean"), data, *within]) == 2
    assert "calibrated for 'set', and these models give 'interval'" in capsys.readouterr().err
    assert (
        run(build(), ["predict", str(place / "low"), data, "--upper", str(place / "high"), *within[2:]]) == 2
    )
    assert "--upper goes with --within" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
