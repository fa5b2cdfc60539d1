import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, prepare
from scalable.boosting.options import Options
from scalable.boosting.params import resolve
from scalable.boosting.train import train_on
from scalable.boosting.training import rotation as rotate
from scalable.boosting.training.rotation import Rotation, leaf_hessian, step_share, subset
from scalable.data.shard import Shard
from scalable.data.table import as_source
from scalable.errors import UsageError
from scalable.execution.threads import Threads

PARAMS = {
    "boosting": "rotate",
    "rotate_rows": 3000,
    "rotate_every": 4,
    "num_iterations": 14,
    "num_leaves": 15,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "max_bin": 31,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 10.0,
}


@settings(max_examples=30)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=6), st.integers(40, 1500), st.integers(0, 9))
def test_one_pass_of_turns_uses_every_row_once(sizes, rows, epoch):
    shards, first = [], 0
    for index, size in enumerate(sizes):
        shards.append(Shard(index, 0, first, first + size, first))
        first += size
    per_pass = -(-first // rows)
    seen = []
    for k in range(per_pass):
        chosen = subset(shards, Rotation(True, rows, 5, 1), epoch * per_pass + k)
        assert [s.first_row for s in chosen] == sorted(s.first_row for s in chosen)
        assert sum(s.n_rows for s in chosen) <= rows + rows // 8 + 16
        seen += [row for s in chosen for row in range(s.first_row, s.first_row + s.n_rows)]
    assert sorted(seen) == list(range(first))


@given(st.integers(1, 10**11), st.integers(1, 3000), st.integers(0, 10**7), st.integers(0, 20))
def test_a_plan_gives_every_row_its_turn_when_left_to_itself(n_rows, n_rounds, rows, every):
    plan = Rotation(True, rows, every, 0).planned(n_rows, n_rounds)
    assert plan.every >= 1
    assert 1 <= plan.rows <= n_rows
    turns = -(-n_rounds // plan.every)
    if not rows:
        assert plan.rows * turns >= n_rows
    assert plan.rows == min(rows, n_rows) or not rows
    assert plan.every == every or not every
    assert plan.planned(n_rows, n_rounds) == plan


def test_a_billion_rows_need_sets_of_about_sixteen_million():
    plan = Rotation(True).planned(10**9, 300)
    assert plan.every == 5
    assert plan.rows == -(-(10**9) // 60)


def test_levels_of_all_rows_and_bins_of_spread_pieces_are_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SAMPLED_ROWS", 2000)
    rng = np.random.default_rng(5)
    kind = np.where(np.arange(9000) < 8990, rng.choice(["a", "b"], 9000), "rare")
    table = pa.table({"x": rng.normal(size=9000), "kind": kind, "y": rng.random(9000) < 0.5})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=500)
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    params = {"boosting": "rotate", "rotate_rows": 3000}
    survey, encoder = prepare.learn_encoder(source, resolve(params, None), True, Threads(2))
    assert encoder.columns[1].categories[-1] == "rare"
    assert encoder.labels.classes == (False, True)
    x = np.concatenate([block.arrays["x"].to_numpy() for block in survey.sample])
    assert len(x) < 4000
    assert np.isin(x, table["x"].to_numpy()).all()
    at = [block.first_row for block in survey.sample]
    assert min(at) < 1000
    assert max(at) >= 8000


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n) > 0


def test_rotation_of_one_set_is_plain_boosting(local_team):
    X, y = rows(2500, 0)
    source = as_source(X, y)
    rotated = train_on(local_team(1), PARAMS, source, classify=True, in_process=True)
    plain = train_on(local_team(1), {**PARAMS, "boosting": "gbdt"}, source, classify=True, in_process=True)
    np.testing.assert_array_equal(
        rotated.booster.predict(X, raw_score=True), plain.booster.predict(X, raw_score=True)
    )


@pytest.mark.parametrize("n_workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_rotation_learns_from_all_rows_and_resumes(local_team, tmp_path, n_workers):
    X, y = rows(12_000, 1)
    Xv, yv = rows(3000, 2)
    source, valid = as_source(X, y), as_source(Xv, yv)

    def fit(options):
        return train_on(
            local_team(n_workers), PARAMS, source, classify=True, options=options, in_process=n_workers == 1
        )

    whole = fit(Options(valid=valid, checkpoint=str(tmp_path / "a"), checkpoint_every=3))
    assert whole.booster.num_trees() == 14
    losses = [value for ((_, _, value),) in whole.history]
    p = whole.booster.predict(Xv)
    assert losses[-1] == pytest.approx(-np.mean(np.log(np.where(yv, p, 1 - p))), abs=1e-9)
    full = LGBMClassifier(14, 15, num_threads=1, max_bin=31).fit(X, y)
    assert roc_auc_score(yv, p) > roc_auc_score(yv, full.predict_proba(Xv)[:, 1]) - 0.02

    def fail(env):
        if env.iteration == 7:
            raise RuntimeError("out")

    place = str(tmp_path / "b")
    with pytest.raises(RuntimeError, match="out"):
        fit(Options(valid=valid, checkpoint=place, checkpoint_every=3, callbacks=[fail]))
    again = fit(Options(valid=valid, checkpoint=place, checkpoint_every=3, resume=True))
    assert again.booster.model_to_string() == whole.booster.model_to_string()


def test_leaves_of_rare_positives_are_large_unless_told_otherwise(local_team):
    """Label and columns are independent here: a leaf that predicts other than the share of positives is overfit."""
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(2**17, 4)), rng.random(2**17) < 0.002

    def spread(**given):
        params = {"boosting": "rotate", "rotate_rows": 2**16, "num_iterations": 2, "num_leaves": 63, **given}
        fitted = train_on(local_team(1), params, as_source(X, y), classify=True, in_process=True)
        assert float(fitted.params["min_sum_hessian_in_leaf"]) == given.get("min_child_weight", 1.0)
        return fitted.booster.predict(X, raw_score=True).std()

    assert leaf_hessian(2**16) == 1.0
    assert leaf_hessian(2**24) == 10.0
    assert spread() < 0.5 * spread(min_child_weight=1e-3)


def test_steps_fall_once_the_trees_have_gone_ten_times_the_way(local_team, monkeypatch):
    assert step_share(0.1, 0) == step_share(0.1, 99) == 1.0
    assert step_share(0.1, 199) == 0.5
    assert step_share(0.05, 199) == 1.0
    monkeypatch.setattr(rotate, "FULL_RATE", 1.0)
    X, y = rows(9000, 4)
    params = {**PARAMS, "learning_rate": 0.25}
    text = train_on(
        local_team(1), params, as_source(X, y), classify=True, in_process=True
    ).booster.model_to_string()
    steps = [float(line.partition("=")[2]) for line in text.splitlines() if line.startswith("shrinkage=")]
    expected = [0.25 * min(1.0, 4 / (k + 1)) for k in range(14)]
    assert steps[1:] == pytest.approx(
        expected[1:], rel=1e-5
    )  # six digits; the first holds the starting score, too
    plain = train_on(
        local_team(1), {**params, "boosting": "gbdt"}, as_source(X, y), classify=True, in_process=True
    )
    assert plain.booster.model_to_string().count("shrinkage=0.25\n") == 13


def test_nonsense_is_refused():
    X, y = rows(100, 3)
    with pytest.raises(UsageError, match="rotate_rows"):
        LGBMClassifier(boosting="rotate", rotate_rows=0).fit(X, y)
