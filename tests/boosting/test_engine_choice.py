"""``engine="auto"``, the default: trees grown here where that is faster and possible, LightGBM's otherwise."""

import os
import subprocess
import sys
from contextlib import nullcontext
from unittest.mock import MagicMock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource, progress
from scalable.boosting import LGBMClassifier, LGBMRegressor, engine
from scalable.boosting.prepare import prepare
from scalable.boosting.train import train_on
from scalable.errors import UsageError

N = 3000
RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(N, 6))
SPARSE = np.where(RNG.random((N, 12)) < 0.05, RNG.normal(size=(N, 12)), 0.0)
MISSING = np.where(SPARSE == 0, np.nan, SPARSE)
Y = (DENSE[:, 0] + DENSE[:, 1] * DENSE[:, 2] > 0).astype(int)
FIT = {"n_estimators": 3, "num_leaves": 7, "num_threads": 1}


@pytest.fixture
def large(monkeypatch):
    """Let the rows of these tests count as much work."""
    monkeypatch.setattr(engine, "LEAST_VALUES", 0)


def same_text(*models):
    texts = [model.booster_.model_to_string().split("parameters:")[0] for model in models]
    return texts[0] == texts[1]


def test_little_work_is_lightgbms():
    assert LGBMClassifier(**FIT).fit(DENSE, Y).engine_ == "lightgbm"
    assert engine.LEAST_VALUES <= 1_000_000 * 28 * 100


@pytest.mark.usefixtures("large")
def test_rows_are_grown_here_dense_or_sparse():
    for X in (DENSE, SPARSE, MISSING, np.column_stack([DENSE, SPARSE])):
        chosen = LGBMClassifier(**FIT).fit(X, Y)
        assert chosen.engine_ == "native"
        assert same_text(chosen, LGBMClassifier(engine="native", **FIT).fit(X, Y))


@pytest.mark.usefixtures("large")
def test_what_this_engine_does_not_do_is_lightgbms():
    assert LGBMRegressor(boosting="dart", **FIT).fit(DENSE, DENSE[:, 0]).engine_ == "lightgbm"
    started = LGBMRegressor(**FIT).fit(DENSE, DENSE[:, 0], init_score=np.ones(N))
    assert started.engine_ == "lightgbm"


def test_little_work_on_workers_is_grown_here_where_lightgbm_could_not(local_team, tmp_path):
    names = [f"x{j}" for j in range(12)]
    table = pa.table({**dict(zip(names, SPARSE.T, strict=True)), "y": Y})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=500)
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    params = {"num_iterations": 2, "num_leaves": 7, "num_threads": 1}
    assert prepare(source, params, True, local_team(2)).params.engine == "lightgbm"
    goss = {**params, "data_sample_strategy": "goss"}
    assert train_on(local_team(2), goss, source, classify=True).engine == "native"
    with pytest.raises(UsageError, match="goss"):
        train_on(local_team(2), {**goss, "engine": "lightgbm"}, source, classify=True)


def test_lightgbm_says_where_it_estimates_the_rows_of_leaves(local_team, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        progress, "task", lambda label, *a, **k: said.append(label) or nullcontext(MagicMock())
    )
    table = pa.table({**{f"x{j}": DENSE[:, j] for j in range(6)}, "y": Y})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=500)
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    params = {"num_iterations": 2, "num_leaves": 7, "num_threads": 1}
    prepare(source, params, True, local_team(1))
    prepare(source, params, False, local_team(2))  # hessians are all equal
    prepare(source, {**params, "engine": "native"}, True, local_team(2))
    assert not any("estimates" in label for label in said)
    prepare(source, params, True, local_team(2))
    assert any("LightGBM estimates" in label for label in said)


def test_checkpoints_are_not_continued_by_the_other_engine(tmp_path):
    pq.write_table(pa.table({"a": DENSE[:, 0], "y": Y}), tmp_path / "rows.parquet")
    source, kept = ParquetSource(tmp_path / "rows.parquet", target="y"), str(tmp_path / "kept")
    LGBMClassifier(engine="native", **FIT).fit(source, checkpoint=kept, checkpoint_every=1)
    with pytest.raises(UsageError, match="engine"):
        LGBMClassifier(engine="lightgbm", **FIT).fit(source, checkpoint=kept, resume=True)


def test_openmp_spins_shortly_unless_told_otherwise():
    """Threads of LightGBM took the processors of all others, and of each other, while they waited."""
    code = (
        "import os, scalable.boosting; print([n for n in os.environ if n[-8:] in ('T_POLICY', 'PINCOUNT')])"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given in ({}, {"OMP_WAIT_POLICY": "ACTIVE"}):
        env = {**plain, "OMP_DISPLAY_ENV": "verbose", **given}
        run = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == str(list(given))
        if sys.platform.startswith("linux"):  # it shows its settings when it is loaded
            assert ("GOMP_SPINCOUNT = '1000'" in run.stderr) == (not given)
