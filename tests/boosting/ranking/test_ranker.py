"""The ranker beside plain LightGBM, on one worker and on several."""

import functools

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, LocalCluster

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, LGBMRanker
from scalable.boosting.objectives import main_objective
from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.data.table import TableSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.evaluate.queries import query_values
from scalable.execution.threads import Threads
from scalable.inference import compile_model
from scalable.inference.forest.formats.lightgbm_text import gains_of_text
from scalable.models.predictors import load_model
from scalable.scoring.queries import evaluate_queries

SAME = {"n_jobs": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}
OnLightGBM = functools.partial(LGBMRanker, engine="lightgbm")
# Leaf sizes are bounded by hessian sums: over several workers LightGBM only estimates row counts.
DEAL = {"min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 2.0, "num_leaves": 15, "num_iterations": 8}


def ranking(sizes, seed=0):
    """Return rows of queries, labels 0 to 4, and the number of each row's query."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    X = rng.normal(size=(n, 5))
    X[rng.random(n) < 0.1, 1] = np.nan
    y = np.clip(np.round(X[:, 0] + np.nan_to_num(X[:, 1]) + rng.normal(size=n)), 0, 4).astype(int)
    return X, y, np.repeat(np.arange(len(sizes)), sizes)


SIZES = np.random.default_rng(3).integers(1, 30, 120)
X, Y, Q = ranking(SIZES)
FIRST = int(SIZES[:80].sum())
FRAME = pd.DataFrame(X, columns=list("abcde")).assign(q=Q)


@pytest.mark.parametrize(
    ("params", "weighted"),
    [
        ({"objective": "lambdarank"}, False),
        ({"lambdarank_truncation_level": 3, "lambdarank_norm": False, "label_gain": [0, 1, 2, 5, 9]}, True),
        ({"objective": "xendcg", "random_state": 4}, True),
    ],
    ids=["lambdarank", "settings", "xendcg"],
)
def test_one_worker_is_plain_lightgbm(params, weighted):
    weight = np.linspace(0.5, 2, len(Y)) if weighted else None
    fit = {
        "group": SIZES[:80],
        "eval_X": (X[FIRST:], X[: SIZES[0]]),
        "eval_y": (Y[FIRST:], Y[: SIZES[0]]),
        "eval_group": [SIZES[80:], SIZES[:1]],
        "eval_metric": ["map"],
        "eval_at": [3, 1, 50],
    }
    if weighted:
        fit |= {"sample_weight": weight[:FIRST], "eval_sample_weight": [weight[FIRST:], None]}
    ours, theirs = (
        m(n_estimators=8, num_leaves=7, **SAME, **params).fit(X[:FIRST], Y[:FIRST], **fit)
        for m in (OnLightGBM, lgb.LGBMRanker)
    )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.objective_ == main_objective(theirs.objective_)
    for name, metrics in theirs.evals_result_.items():
        assert sorted(ours.evals_result_[name]) == sorted(metrics)
        for metric, values in metrics.items():
            np.testing.assert_allclose(ours.evals_result_[name][metric], values, rtol=1e-6, err_msg=metric)


@pytest.mark.parametrize(
    ("objective", "engine", "teams"),
    [
        ("lambdarank", "lightgbm", (1, 2)),
        ("lambdarank", "native", (1, 3)),
        pytest.param("lambdarank", "lightgbm", (1, 3), marks=pytest.mark.slow),
        pytest.param("rank_xendcg", "lightgbm", (1, 2, 3), marks=pytest.mark.slow),
        pytest.param("rank_xendcg", "native", (1, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_any_deal_trains_the_same_trees(local_team, tmp_path, objective, engine, teams):
    # a query larger than a shard, then one-row queries, then queries from poor to rich: 3/4 of the rows to one worker
    sizes = np.concatenate([[6000], np.ones(30, int), SIZES])
    rows, y, q = ranking(sizes, seed=1)
    means = np.bincount(q, y) / sizes
    order = np.argsort(np.where(sizes == 6000, -1.0, means)[q], kind="stable")
    columns = {f"x{j}": rows[order, j] for j in range(5)}
    table = pa.table({**columns, "y": y[order], "q": [f"query {k}" for k in q[order]]})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=1000)
    source = ParquetSource(tmp_path / "rows.parquet", target="y", group="q")
    params = {"objective": objective, "deterministic": True, "force_col_wise": True, "num_threads": 1, **DEAL}
    params["engine"] = engine
    options = Options(valid=source, eval_metric=["map"])
    found = [
        train_on(local_team(n), params, source, classify=False, options=options, in_process=n == 1)
        for n in teams
    ]
    for n, each in zip(teams, found, strict=True):
        dealt = [worker["rows"] for worker in each.stats["workers"]]
        assert len(dealt) == n
        assert min(dealt) > 0
        assert n != 2 or dealt == [6000, len(y) - 6000]
    expected = found[0].booster.predict(rows)
    for each in found[1:]:
        np.testing.assert_allclose(each.booster.predict(rows), expected, atol=1e-9)
        for ours, one in zip(each.history, found[0].history, strict=True):
            assert [step[:2] for step in ours] == [step[:2] for step in one]
            np.testing.assert_allclose([v for *_, v in ours], [v for *_, v in one], rtol=1e-9)


@pytest.fixture
def three_workers():
    """A client of three workers that are threads here: what trains is a process for each of them anyway."""
    with (
        LocalCluster(
            n_workers=3, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


@pytest.mark.parametrize(
    ("engine", "counts"),
    [
        ("native", (1, 2)),  # any deal's three are not of Dask
        pytest.param("native", (3,), marks=pytest.mark.slow),
        pytest.param("lightgbm", (1, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_workers_of_a_cluster_agree(dask_client, request, tmp_path, engine, counts):
    """One, two and three workers of Dask, on rows whose queries go from poor to rich."""
    clients = [dask_client if n < 3 else request.getfixturevalue("three_workers") for n in counts]
    order = np.argsort(np.bincount(Q, Y)[Q] / SIZES[Q], kind="stable")
    table = pa.table({**FRAME.iloc[order], "y": Y[order]})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=300)
    source = ParquetSource(tmp_path / "rows.parquet", target="y", group="q")
    params = {"n_estimators": 8, "num_leaves": 15, "min_child_samples": 1, "min_sum_hessian_in_leaf": 2.0}
    fit = {"eval_set": source, "eval_metric": ["map"]}
    expected, *found = (
        LGBMRanker(**params, client=client, n_workers=n, n_jobs=1, engine=engine).fit(source, **fit)
        for client, n in ((None, 1), *zip(clients, counts, strict=True))
    )
    assert [len(each.stats_["workers"]) for each in found] == list(counts)
    for each in found:
        assert sum(worker["rows"] for worker in each.stats_["workers"]) == len(Y)
        np.testing.assert_allclose(each.predict(FRAME), expected.predict(FRAME), atol=1e-9)
        for metric, values in expected.evals_result_["valid_0"].items():
            np.testing.assert_allclose(each.evals_result_["valid_0"][metric], values, rtol=1e-9)


def test_queries_are_named_in_any_way(tmp_path):
    model = {"n_estimators": 5, **SAME}
    pq.write_table(pa.table({**FRAME, "y": Y}), tmp_path / "rows.parquet", row_group_size=200)
    plain = ParquetSource(tmp_path / "rows.parquet", target="y")
    named = ParquetSource(tmp_path / "rows.parquet", target="y", group="q")
    expected = LGBMRanker(**model).fit(FRAME.drop(columns="q"), Y, group=SIZES)
    for data, given in (
        ((FRAME, Y), {"group": "q", "eval_set": [(FRAME, Y)]}),
        ((pa.table(dict(FRAME)), Y), {"group": "q"}),
        ((plain,), {"group": "q", "eval_set": plain}),
        ((named,), {"valid": named}),
    ):
        fitted = LGBMRanker(**model).fit(*data, **given)
        assert fitted.feature_name_ == list("abcde")
        assert fitted.n_features_in_ == 5
        np.testing.assert_array_equal(fitted.predict(FRAME), expected.predict(FRAME.drop(columns="q")))
        if "eval_set" in given or "valid" in given:
            name = "training" if data[0] is FRAME else "valid_0"  # the same objects, as LightGBM tells
            assert list(fitted.evals_result_[name]) == [f"ndcg@{k}" for k in range(1, 6)]


def test_saved_and_compiled_rankers_predict_the_same(tmp_path):
    model = LGBMRanker(n_estimators=5, **SAME).fit(FRAME, Y, group="q")
    model.save(tmp_path / "m")
    expected = model.predict(FRAME)
    np.testing.assert_array_equal(LGBMRanker.load(tmp_path / "m").predict(FRAME), expected)
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(FRAME), expected)
    np.testing.assert_array_equal(
        compile_model(model.booster_).predict(FRAME[list("abcde")].to_numpy()), expected
    )


def test_early_stopping_watches_the_first_place_of_ndcg():
    fit = {"eval_X": X[FIRST:], "eval_y": Y[FIRST:], "eval_group": [SIZES[80:]]}
    ours, theirs = (
        m(n_estimators=60, learning_rate=0.4, early_stopping_round=3, first_metric_only=True, **SAME).fit(
            X[:FIRST], Y[:FIRST], group=SIZES[:80], **fit
        )
        for m in (OnLightGBM, lgb.LGBMRanker)
    )
    assert ours.best_iteration_ == theirs.best_iteration_ < 60


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_a_resumed_fit_is_the_one_that_was_not_interrupted(tmp_path, objective):
    def interrupted(env):
        if env.iteration == 4:
            raise RuntimeError("the power went out")

    def fit(place, **options):
        kept = {"checkpoint": str(tmp_path / place), "checkpoint_every": 2}
        return LGBMRanker(n_estimators=7, objective=objective, **SAME).fit(
            X, Y, group=SIZES, **kept, **options
        )

    whole = fit("whole")
    with pytest.raises(RuntimeError, match="power went out"):
        fit("torn", callbacks=[interrupted])
    np.testing.assert_allclose(fit("torn", resume=True).predict(X), whole.predict(X), atol=1e-6)


def pull(y_true, y_pred, weight, group):
    """Pull each row to its label less its query's mean."""
    query = np.repeat(np.arange(len(group)), group)
    wanted = y_true - (np.bincount(query, y_true) / group)[query]
    return y_pred - wanted, np.ones(len(y_true))


def largest(y_true, y_pred, weight, group):
    return "largest", float(np.max(group)) + float(np.mean(y_pred)), True


def test_functions_of_four_arguments_are_given_the_queries():
    fit = {"eval_X": X[FIRST:], "eval_y": Y[FIRST:], "eval_group": [SIZES[80:]], "eval_metric": largest}
    ours, theirs = (
        m(n_estimators=4, objective=pull, metric="None", **SAME).fit(
            X[:FIRST], Y[:FIRST], group=SIZES[:80], **fit
        )
        for m in (OnLightGBM, lgb.LGBMRanker)
    )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    found = [model.evals_result_["valid_0"]["largest"] for model in (ours, theirs)]
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_what_cannot_be_ranked_is_refused_by_name():
    model = LGBMRanker(n_estimators=2, **SAME)
    with pytest.raises(UsageError, match="ranking needs query groups"):
        model.fit(X, Y)
    with pytest.raises(UsageError, match="an array has no names"):
        model.fit(X, Y, group="q")
    with pytest.raises(DataError, match="no group column 'query'"):
        model.fit(FRAME, Y, group="query")
    with pytest.raises(UsageError, match="eval_group holds the queries of 2 sets, but eval_set has 1"):
        model.fit(X, Y, group=SIZES, eval_set=[(X, Y)], eval_group=[SIZES, SIZES])
    with pytest.raises(UsageError, match=r"ranking needs query groups.*eval_group"):
        model.fit(X, Y, group=SIZES, eval_set=[(X, Y)])
    with pytest.raises(UsageError, match=r"eval_at must be whole numbers of at least 1, found \[0\]"):
        model.fit(X, Y, group=SIZES, eval_set=[(X, Y)], eval_group=[SIZES], eval_at=[0])
    with pytest.raises(UsageError, match="engine='native' does not do bagging_by_query=True"):
        LGBMRanker(engine="native", bagging_by_query=True).fit(X, Y, group=SIZES)
    with pytest.raises(UsageError, match="cannot rotate"):
        LGBMRanker(boosting="rotate").fit(X, Y, group=SIZES)
    with pytest.raises(UsageError, match="use LGBMRanker"):
        LGBMClassifier(objective="lambdarank").fit(TableSource(pa.table({**FRAME, "y": Y}), "y", group="q"))
    fallen = LGBMRanker(engine="auto", bagging_by_query=True, n_estimators=2, **SAME).fit(X, Y, group=SIZES)
    assert fallen.engine_ == "lightgbm"


def test_a_saved_ranker_is_held_to_the_gains_it_was_trained_with(tmp_path):
    """It was held to LightGBM's own thirty-one: other values, and a refusal of labels beyond them."""
    gains = [0.0, 1.0, 1.5, 4.0, *[5.0 + k for k in range(36)]]
    table = pa.Table.from_pandas(FRAME.assign(y=np.where(Y == 4, 38, Y)), preserve_index=False)
    source = TableSource(table, "y", group="q")
    OnLightGBM(n_estimators=3, label_gain=gains, **SAME).fit(source).save(tmp_path / "m")
    model = load_model(tmp_path / "m")
    found = evaluate_queries(model, source, Threads(1))
    label = table["y"].to_numpy().astype(float)
    expected = query_values(SIZES, label, model.predict(table), [1, 5, 10], gains)[0]
    assert [found.ndcg_1, found.ndcg_5, found.ndcg_10] == pytest.approx(
        np.nan_to_num(expected, nan=1.0).mean(axis=0)
    )
    text = (tmp_path / "m" / "booster.txt").read_text()
    for bad in ("x,1", "0,-1", "0,nan"):
        with pytest.raises(ModelError, match="label_gain"):
            gains_of_text(text.replace("[label_gain: 0,1,", f"[label_gain: {bad},"))
