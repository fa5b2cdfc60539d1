"""Intervals and sets that cover as promised, and probabilities that come true, beside references in NumPy."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression

from scalable import ParquetSource
from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.data.table import TableSource
from scalable.decomposition import PCA
from scalable.errors import DataError, ModelError, UsageError
from scalable.evaluate import Calibrator, Conformal
from scalable.evaluate.post_hoc import score_table
from scalable.execution.dask import Dask
from scalable.execution.threads import Threads
from scalable.linear import LinearRegression, LogisticRegression
from scalable.mixture import KMeans
from scalable.models.predictors import load_model

GROUPS = np.array(["calm", "rough", "wild"])


def table_of(n, seed):
    """Return rows whose noise depends on a group, with three classes, and a rare class of two."""
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    y = x @ [2.0, -1.0] + np.array([0.2, 1.0, 4.0])[group] * rng.standard_t(4, n)
    kind = (x[:, 0] + rng.normal(size=n) > 0.0).astype(int) + (x[:, 1] + rng.normal(size=n) > 1.0)
    return pa.table(
        {"a": x[:, 0], "b": x[:, 1], "group": GROUPS[group], "y": y, "kind": kind, "rare": kind == 2}
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    home = tmp_path_factory.mktemp("rows")
    for name, n, seed in (("train", 2_000, 0), ("held", 4_001, 1), ("new", 30_000, 2)):
        pq.write_table(table_of(n, seed), home / f"{name}.parquet", row_group_size=1_500)
    models = {}
    for target, make in (("y", LinearRegression), ("kind", GaussianNB), ("rare", LogisticRegression)):
        models[target] = make().fit(source_of(home, "train", target))
    return home, models


def source_of(home, name, target):
    return ParquetSource(home / f"{name}.parquet", target=target, features=["a", "b"])


def columns(home, name):
    return pq.read_table(home / f"{name}.parquet")


def reference(scores, alpha):
    """Return the threshold as the papers write it."""
    rank = math.ceil((len(scores) + 1) * (1.0 - alpha) - 1e-9)
    return np.sort(scores)[rank - 1] if rank <= len(scores) else math.inf


def within_binomial_error(coverage, promised, calibrated):
    spread = math.sqrt(promised * (1.0 - promised) * (1.0 / coverage.rows + 1.0 / calibrated))
    return abs(coverage.rate - promised) < 4.0 * spread


@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_split_intervals_are_the_references_and_cover_of_every_group_with_mondrian(data, alpha):
    home, models = data
    held, new = source_of(home, "held", "y"), source_of(home, "new", "y")
    rows = columns(home, "held")
    scores = np.abs(rows["y"].to_numpy() - models["y"].predict(held))
    whole = Conformal.calibrate(models["y"], held, alpha=alpha)
    assert whole.groups == ((None, reference(scores, alpha), 4_001),)
    parted = Conformal.calibrate(models["y"], held, alpha=alpha, by="group")
    group = rows["group"].to_numpy(zero_copy_only=False)
    for value, threshold, n in parted.groups:
        assert threshold == reference(scores[group == value], alpha)
        assert n == (group == value).sum()
    covered = whole.measure(models["y"], new)[None]
    assert within_binomial_error(covered, 1.0 - alpha, 4_001)
    by_group = parted.measure(models["y"], new, by="group")
    for value, _, n in parted.groups:
        assert within_binomial_error(by_group[value], 1.0 - alpha, n), value
    uneven = whole.measure(models["y"], new, by="group")  # what Mondrian is for
    assert not within_binomial_error(uneven["wild"], 1.0 - alpha, 4_001)
    intervals = parted.predict(models["y"], new)
    y = columns(home, "new")["y"].to_numpy()
    rate = ((intervals[:, 0] <= y) & (y <= intervals[:, 1])).mean()
    assert rate == pytest.approx(sum(c.covered for c in by_group.values()) / 30_000, abs=1e-12)


def test_quantiles_are_widened_as_the_reference_does(data):
    home, _ = data
    shift = {}
    for name, offset in (("low", -0.5), ("high", 0.5)):
        rows = columns(home, "train")
        shifted = rows.set_column(3, "y", pa.array(rows["y"].to_numpy() + offset))
        shift[name] = LinearRegression().fit(shifted.select(["a", "b"]), shifted["y"].to_numpy())
    held, new = source_of(home, "held", "y"), source_of(home, "new", "y")
    found = Conformal.calibrate(shift["low"], held, upper=shift["high"], by="group")
    y, group = (columns(home, "held")[name].to_numpy(zero_copy_only=False) for name in ("y", "group"))
    scores = np.maximum(shift["low"].predict(held) - y, y - shift["high"].predict(held))
    assert found.kind == "quantiles"
    for value, threshold, _ in found.groups:
        assert threshold == pytest.approx(reference(scores[group == value], 0.1), rel=1e-12)
    assert found.groups[0][1] < 0.0  # narrower, where both are too far apart
    for value, coverage in found.measure(shift["low"], new, upper=shift["high"], by="group").items():
        assert within_binomial_error(coverage, 0.9, 1_300), value


@pytest.mark.parametrize("target", ["kind", "rare"])
def test_sets_of_classes_cover(data, target):
    home, models = data
    held, new = source_of(home, "held", target), source_of(home, "new", target)
    found = Conformal.calibrate(models[target], held, alpha=0.05)
    truth = columns(home, "held")[target].to_numpy(zero_copy_only=False).astype(int)
    p = models[target].predict_proba(held)
    assert found.groups[0][1] == pytest.approx(reference(1.0 - p[np.arange(4_001), truth], 0.05), rel=1e-12)
    covered = found.measure(models[target], new)[None]
    assert within_binomial_error(covered, 0.95, 4_001)
    sets = found.predict(models[target], new)
    assert sets.shape == (30_000, p.shape[1])
    assert covered.size == pytest.approx(sets.sum(axis=1).mean())


def test_the_same_bits_on_dask_saved_and_on_the_command_line(data, dask_client, tmp_path, capsys):
    home, models = data
    held = source_of(home, "held", "y")
    one = Conformal.calibrate(models["y"], held, by="group", executor=Threads(1))
    assert one == Conformal.calibrate(models["y"], held, by="group", executor=Dask(dask_client))
    models["y"].save(tmp_path / "m")
    command = ["calibrate", str(tmp_path / "m"), str(home / "held.parquet"), "--target", "y", "--by", "group"]
    command += [
        "--check",
        str(home / "new.parquet"),
        "--out",
        str(tmp_path / "c"),
        "--json",
        str(tmp_path / "j"),
    ]
    assert run(build(), command) == 0
    assert Conformal.load(tmp_path / "c") == one
    assert "checked group=wild" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "j").read_text())["sections"]["coverage"]) == 3
    new = columns(home, "new")
    np.testing.assert_array_equal(
        one.predict(load_model(tmp_path / "m"), new),
        one.predict(models["y"], new.select(["a", "b", "group"])),
    )
    (tmp_path / "c").write_text('{"kind": "interval", "alpha": 2, "by": null, "groups": [[null, 1, 3]]}')
    with pytest.raises(ModelError, match="damaged"):
        Conformal.load(tmp_path / "c")


def test_what_cannot_be_promised_is_said(data):
    home, models = data
    held = source_of(home, "held", "y")
    few = ParquetSource(home / "held.parquet", target="y", features=["a", "b"], filters=[("a", ">", 3.0)])
    assert Conformal.calibrate(models["y"], few, alpha=0.01).groups[0][1] == math.inf
    calm = ParquetSource(
        home / "held.parquet", target="y", features=["a", "b"], filters=[("group", "==", "calm")]
    )
    part = Conformal.calibrate(models["y"], calm, by="group")
    with pytest.raises(DataError, match=r"column 'group' is '\w+', a group that was not calibrated"):
        part.measure(models["y"], held)
    with pytest.raises(UsageError, match="alpha must be between 0 and 1"):
        Conformal.calibrate(models["y"], held, alpha=1.0)
    with pytest.raises(UsageError, match="calibrated for 'interval', and these models give 'set'"):
        Conformal.calibrate(models["y"], held).predict(models["kind"], held)
    with pytest.raises(UsageError, match="counts rows; name no weight"):
        Conformal.calibrate(models["y"], ParquetSource(home / "held.parquet", target="y", weight="a"))


def test_a_table_of_more_values_than_cells_is_near_and_never_depends_on_the_order(monkeypatch):
    monkeypatch.setattr(score_table, "LIMIT", 500)
    values = np.random.default_rng(0).lognormal(sigma=2.0, size=20_000) * np.where(
        np.arange(20_000) % 3, 1.0, -1.0
    )

    def table(parts):
        found = [
            score_table.ScoreTable.of(score_table.float_keys(part), np.ones((len(part), 3))) for part in parts
        ]
        whole = found[0]
        for other in found[1:]:
            whole = whole.merge(other)
        return whole

    first = table(np.array_split(values, 7))
    other = table(np.array_split(values[::-1], 3)[::-1])
    np.testing.assert_array_equal(first.tops, other.tops)
    np.testing.assert_array_equal(first.sums, other.sums)
    assert len(first.tops) <= 500
    assert first.shift == other.shift > 0
    for share in (0.05, 0.5, 0.99):
        exact = np.sort(values)[int(share * 20_000) - 1]
        found = score_table.float_of(first.top(int(share * 20_000)))
        assert exact <= found <= exact + 0.2 * abs(exact)
    keys = score_table.integer_keys(np.array([-3, 5, -(2**62)]))
    assert [score_table.integer_of(key) for key in np.sort(keys)] == [-(2**62), -3, 5]


def likely(z, y, weight, offset):
    """Return slope and offset of the most likely line, by another optimiser."""

    def loss(b):
        line = b[0] * z + (b[1] if offset else 0.0)
        return float(weight @ (np.logaddexp(0.0, line) - y * line)) / weight.sum()

    start = [1.0, 0.0] if offset else [1.0]
    return optimize.minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000}
    ).x


def test_platt_temperature_and_isotonic_are_the_references(data, dask_client, tmp_path):
    home, models = data
    held, new = source_of(home, "held", "rare"), source_of(home, "new", "rare")
    y = columns(home, "held")["rare"].to_numpy(zero_copy_only=False).astype(float)
    p = models["rare"].predict_proba(held)[:, 1]
    z, ones = special.logit(p), np.ones(len(y))
    soft = np.where(y == 1.0, (y.sum() + 1) / (y.sum() + 2), 1.0 / (len(y) - y.sum() + 2))
    found = {
        name: Calibrator.fit(models["rare"], held, name) for name in ("platt", "temperature", "isotonic")
    }
    np.testing.assert_allclose(
        [found["platt"].slope, found["platt"].offset], likely(z, soft, ones, True), atol=1e-6
    )
    assert found["temperature"].slope == pytest.approx(likely(z, y, ones, False)[0], abs=1e-6)
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, y)
    fresh = models["rare"].predict_proba(new)[:, 1]
    np.testing.assert_allclose(found["isotonic"].apply(fresh), curve.predict(fresh), atol=1e-12)
    for name, one in found.items():
        assert one == Calibrator.fit(models["rare"], held, name, executor=Dask(dask_client))
        assert one == Calibrator.of_predictions(y, p, name)
        one.save(tmp_path / name)
        assert Calibrator.load(tmp_path / name) == one
    with pytest.raises(DataError, match=r"row 1: label 2, probability 0.5"):
        Calibrator.of_predictions([0, 2], [0.1, 0.5])
    (tmp_path / "bad").write_text('{"method": "isotonic", "given": [0.5, 0.1], "rates": [0.0, 1.0]}')
    with pytest.raises(ModelError, match="damaged"):
        Calibrator.load(tmp_path / "bad")


def test_the_temperature_of_several_classes_is_the_references(data):
    home, models = data
    held = source_of(home, "held", "kind")
    p, y = models["kind"].predict_proba(held), columns(home, "held")["kind"].to_numpy()
    logs = np.log(p)

    def loss(slope):
        return -special.log_softmax(slope * logs, axis=1)[np.arange(len(y)), y].mean()

    best = optimize.minimize_scalar(loss, bounds=(0.2, 3.0), method="bounded", options={"xatol": 1e-10}).x
    found = Calibrator.fit(models["kind"], held, "temperature")
    assert found.slope == pytest.approx(best, abs=1e-6)
    np.testing.assert_allclose(found.apply(p).sum(axis=1), 1.0)
    with pytest.raises(UsageError, match="'platt' takes two classes"):
        Calibrator.fit(models["kind"], held)
    with pytest.raises(UsageError, match="the model's task is regression"):
        Calibrator.fit(models["y"], source_of(home, "held", "y"))


def test_learners_of_trees_are_calibrated_too(data):
    home, _ = data
    model = LGBMClassifier(n_estimators=5, num_leaves=7, n_workers=1).fit(source_of(home, "train", "rare"))
    held = source_of(home, "held", "rare")
    found = Calibrator.fit(model, held, "isotonic")
    np.testing.assert_array_equal(
        found.apply(model.predict_proba(held)[:, 1]), found.apply(model.predictor().predict(held))
    )
    covered = Conformal.calibrate(model, held).measure(model, source_of(home, "new", "rare"))[None]
    assert covered.rate > 0.85


def test_curves_on_the_command_line(data, tmp_path, capsys):
    home, models = data
    models["rare"].save(tmp_path / "m")
    command = ["calibrate", str(tmp_path / "m"), str(home / "held.parquet"), "--target", "rare"]
    command += ["--method", "isotonic", "--out", str(tmp_path / "c")]
    assert run(build(), command) == 0
    assert Calibrator.load(tmp_path / "c").method == "isotonic"
    assert run(build(), [*command, "--by", "group"]) == 2
    assert "go with intervals and sets" in capsys.readouterr().err.replace("\n", " ")


def test_what_learned_without_a_target_has_no_intervals():
    """The components of a row were held to its label, or the number of its cluster."""
    rows = np.random.default_rng(0).normal(size=(50, 3))
    held = TableSource(pa.table({**{f"x{k}": rows[:, k] for k in range(3)}, "y": rows[:, 0]}), "y")
    for learner in (PCA(2), KMeans(2, random_state=0)):
        with pytest.raises(UsageError, match="learned without a target"):
            Conformal.calibrate(learner.fit(rows), held)
