"""Effects beside references in NumPy, the generator's true effects within the intervals, the same bits on Dask."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

import data_gen
from scalable import ParquetSource
from scalable.causal import cuped, double_ml
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.data.selection import divide
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.execution.dask import Dask
from scalable.execution.threads import Threads
from scalable.linear import LinearRegression, LogisticRegression

ROWS = 60_000


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    out = tmp_path_factory.mktemp("rows") / "effect"
    data_gen.generate("effect", rows=ROWS, out=out, seed=3, noise="heteroscedastic", row_group_rows=2**14)
    return ParquetSource(out, target="target")


def arrays(source, names):
    blocks = [raw for shard in source.shards for raw in source.raw_blocks(shard, names)]
    return [np.concatenate([raw.arrays[n].to_numpy() for raw in blocks]).astype(float) for n in names], blocks


def controls_of(source):
    return [name for name in source.feature_names if name.startswith("x_")]


def reference(source, n=5, seed=0):
    """Return coefficient and robust (HC1) error of cross-fitted least squares, row by row as the paper writes it."""
    names = controls_of(source)
    (*x, t, y), blocks = arrays(source, [*names, "treatment", "target"])
    x = np.column_stack([np.ones(len(y)), *x])
    left_t, left_y = np.empty(len(y)), np.empty(len(y))
    for part in divide([1.0] * n, None, seed):
        held = np.concatenate([part.mask(raw) for raw in blocks])
        for goal, left in ((t, left_t), (y, left_y)):
            b = np.linalg.lstsq(x[~held], goal[~held], rcond=None)[0]
            left[held] = goal[held] - x[held] @ b
    coef = (left_t @ left_y) / (left_t @ left_t)
    scores = left_t * (left_y - coef * left_t)
    return coef, np.sqrt(scores @ scores * len(y) / (len(y) - 1)) / (left_t @ left_t)


def test_double_machine_learning_is_the_reference_and_covers_the_true_effect(source, dask_client):
    names = controls_of(source)
    found = double_ml(source, "treatment", controls=names)
    coef, error = reference(source)
    assert found.coef == pytest.approx(coef, rel=1e-9)
    assert found.error == pytest.approx(error, rel=1e-9)
    low, high = found.interval(0.999)
    assert low < 0.5 < high
    assert abs(found.plain - 0.5) > 50 * found.plain_error  # what the confounding does to a plain slope
    assert found.explained == pytest.approx(0.5, abs=0.02)
    for executor in (Threads(1), Dask(dask_client)):
        assert double_ml(source, "treatment", controls=names, executor=executor) == found


def test_trained_nuisances_give_the_same_where_they_are_the_same(source):
    names = controls_of(source)
    pair = (LinearRegression(), LinearRegression())
    trained = double_ml(source, "treatment", controls=names, nuisances=pair, n_folds=2)
    own = double_ml(source, "treatment", controls=names, n_folds=2)
    assert trained.coef == pytest.approx(own.coef, rel=1e-8)
    assert trained.error == pytest.approx(own.error, rel=1e-8)
    labels = (LogisticRegression(), LinearRegression())
    few = ParquetSource(source.describe_place(), target="coin", features=names)
    with pytest.raises(UsageError, match="nuisances are regressors"):
        double_ml(few, "treatment", nuisances=labels, n_folds=2)


def test_the_interval_covers_as_often_as_it_says():
    inside = 0
    for seed in range(60):
        table = data_gen.rows("effect", 0, 1_000, seed=seed, features=5, nonzero=3)
        names = [name for name in table.column_names if name.startswith("x_")]
        low, high = double_ml(TableSource(table, "target"), "treatment", controls=names, n_folds=2).interval(
            0.9
        )
        inside += low < 0.5 < high
    assert abs(inside - 54) <= 4 * (60 * 0.9 * 0.1) ** 0.5


def test_cuped_is_least_squares_and_covers_the_lift(source, dask_client):
    found = cuped(source, "coin", ["before", "x_00"])
    (before, x, coin, y), _ = arrays(source, ["before", "x_00", "coin", "target"])
    both = np.column_stack([np.ones(ROWS), coin, before, x])
    assert found.coef == pytest.approx(np.linalg.lstsq(both, y, rcond=None)[0][1], rel=1e-9)
    slopes = np.linalg.lstsq(both, y, rcond=None)[0][2:]
    left = y - np.column_stack([before, x]) @ slopes
    error = np.sqrt(sum(left[coin == arm].var(ddof=1) / (coin == arm).sum() for arm in (0, 1)))
    assert found.error == pytest.approx(error, rel=1e-9)
    assert found.plain == pytest.approx(y[coin == 1].mean() - y[coin == 0].mean(), rel=1e-9)
    assert found.error < 0.9 * found.plain_error
    low, high = found.interval(0.999)
    assert low < 0.1 < high
    assert found == cuped(source, "coin", ["before", "x_00"], executor=Dask(dask_client))


def test_the_command_line(source, tmp_path, capsys):
    data, out = str(source.describe_place()), tmp_path / "j"
    command = [
        "effect",
        data,
        "--target",
        "target",
        "--cause",
        "treatment",
        "--controls",
        ",".join(controls_of(source)),
    ]
    assert run(build(), [*command, "--json", str(out)]) == 0
    told = json.loads(out.read_text())["sections"]["effect"]
    assert told["coef"] == double_ml(source, "treatment", controls=controls_of(source)).coef
    assert run(build(), ["effect", data, "--target", "target", "--cause", "coin", "--before", "before"]) == 0
    assert "coin: " in capsys.readouterr().out
    assert run(build(), [*command, "--before", "before"]) == 2


def test_texts_are_refused_by_the_option_that_named_them():
    table = TableSource(pa.table({"x": [1.0, 2.0], "c": [0, 1], "s": ["u", "v"], "y": [1.0, 2.0]}), "y")
    with pytest.raises(
        DataError,
        match=r"column 's' is string, and double_ml takes numbers only; name controls without it: x$",
    ):
        double_ml(table, "c")
    with pytest.raises(DataError, match=r"cuped takes numbers only; name before without it: x$"):
        cuped(table, "c", ["x", "s"])
    with pytest.raises(DataError, match="column 's' is string, and a cause must be a number"):
        double_ml(table, "s", controls=["x"])
    with pytest.raises(
        UsageError, match="column 'c' is the cause and cannot be the target or among before too"
    ):
        cuped(table, "c", ["c"])


def test_what_tells_no_effect_is_said(source):
    n = 200
    x = np.random.default_rng(0).normal(size=n)
    table = TableSource(pa.table({"x": x, "t": 2.0 * x + 1.0, "c": np.arange(n) % 3, "y": x, "w": x**2}), "y")
    with pytest.raises(DataError, match="column 't' does not vary once the controls are known"):
        double_ml(table, "t", controls=["x"])
    with pytest.raises(DataError, match="row 2: column 'c' is 2, not 0 or 1"):
        cuped(table, "c", ["x"])
    with pytest.raises(UsageError, match="column 'y' is the target and cannot be among controls too"):
        double_ml(table, "t", controls=["y"])
    with pytest.raises(
        UsageError, match="column 'c' is the cause and cannot be the target or among controls too"
    ):
        double_ml(table, "c", controls=["x", "c"], nuisances=(LinearRegression(), LinearRegression()))
    with pytest.raises(UsageError, match=r"before is a list of columns, such as \['x'\]"):
        cuped(table, "c", "x")
    with pytest.raises(UsageError, match="controls names column 'x' twice"):
        double_ml(table, "c", controls=["x", "x"])
    with pytest.raises(UsageError, match="n_folds must be a whole number of 2 or more"):
        double_ml(table, "c", controls=["x"], n_folds=2.5)
    with pytest.raises(UsageError, match="no target column was named"):
        double_ml(np.ones((5, 2)), "x0")
    large = table.table.set_column(3, "y", pa.array(x * 1e200))
    with pytest.raises(DataError, match="beyond the range of floating point"), np.errstate(all="ignore"):
        double_ml(TableSource(large, "y"), "c", controls=["x"])
    with pytest.raises(DataError, match="no feature column 'tt'"):
        double_ml(table, "tt")
    with pytest.raises(UsageError, match="counts every row once; name no weight"):
        cuped(TableSource(table.table, "y", weight="w"), "c", ["x"])
    with pytest.raises(UsageError, match="name at least one column of before"):
        cuped(source, "coin", [])
    with pytest.raises(DataError, match="too few for 20 controls"):
        double_ml(
            TableSource(data_gen.rows("effect", 0, 20), "target"), "treatment", controls=controls_of(source)
        )
    with pytest.raises(UsageError, match="level must be between 0 and 1"):
        cuped(source, "coin", ["before"]).interval(95)
