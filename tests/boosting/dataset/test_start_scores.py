"""Scores to start from, beside plain LightGBM."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, LGBMRanker, LGBMRegressor
from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.errors import DataError, UsageError

SAME = {
    "n_estimators": 6,
    "num_leaves": 7,
    "n_jobs": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
RNG = np.random.default_rng(8)
X = RNG.normal(size=(1500, 4))
Y = X[:, 0] - X[:, 1] ** 2 + RNG.normal(size=1500) * 0.3
C = np.digitize(Y, [-1.0, 0.3])
START = 0.6 * X[:, 0] + 3.0
THREE = np.column_stack([START, -START, X[:, 2]])
SIZES = np.full(150, 10)
KINDS = {  # ours, LightGBM's, labels, scores, parameters
    "number": (LGBMRegressor, lgb.LGBMRegressor, Y, START, {}),
    "poisson": (LGBMRegressor, lgb.LGBMRegressor, np.exp(Y), START, {"objective": "poisson"}),
    "two": (LGBMClassifier, lgb.LGBMClassifier, Y > 0, START, {}),
    "three": (LGBMClassifier, lgb.LGBMClassifier, C, THREE, {}),
    "flat": (LGBMClassifier, lgb.LGBMClassifier, C, THREE, {}),  # all of the first class first
    "rank": (LGBMRanker, lgb.LGBMRanker, C, START, {}),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_training_starts_where_lightgbm_s_does(kind):
    mine, plain, y, start, params = KINDS[kind]
    own, held = start[:1000], start[1000:]
    if kind == "flat":
        own, held = own.T.ravel(), held.T.ravel()
    fit = {"init_score": own, "eval_X": X[1000:], "eval_y": y[1000:], "eval_init_score": [held]}
    if kind == "rank":
        fit |= {"group": SIZES[:100], "eval_group": [SIZES[100:]]}
    ours, theirs = (m(**SAME, **params).fit(X[:1000], y[:1000], **fit) for m in (mine, plain))
    np.testing.assert_array_equal(ours.predict(X, raw_score=True), theirs.predict(X, raw_score=True))
    for metric, values in theirs.evals_result_["valid_0"].items():
        np.testing.assert_allclose(ours.evals_result_["valid_0"][metric], values, rtol=1e-6)
    for name in ("init_score", "eval_init_score"):
        fit.pop(name)
    without = mine(**SAME, **params).fit(X[:1000], y[:1000], **fit)
    assert abs(without.predict(X, raw_score=True) - ours.predict(X, raw_score=True)).max() > 0.01


def test_columns_of_files_and_frames_are_scores_not_features(tmp_path, local_team):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(start=START)
    pq.write_table(pa.table({**frame, "y": Y}), tmp_path / "rows.parquet", row_group_size=300)
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    expected = LGBMRegressor(**SAME).fit(X, Y, init_score=START)
    for data, given in (((frame, Y), {}), ((source,), {"valid": source})):
        fitted = LGBMRegressor(**SAME).fit(*data, init_score="start", **given)
        assert fitted.feature_name_ == list("abcd")
        np.testing.assert_array_equal(fitted.predict(frame), expected.predict(X))
    loss = np.mean((expected.predict(X) + START - Y) ** 2)
    assert fitted.evals_result_["valid_0"]["l2"][-1] == pytest.approx(loss, rel=1e-5)
    params = {**SAME, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 20.0}
    plain = source.with_features(list("abcd"))
    options = Options(valid=plain, init_score=("start",), eval_init_score=[("start",)])
    one, two = (
        train_on(local_team(n), params, plain, classify=False, options=options, in_process=n == 1)
        for n in (1, 2)
    )
    np.testing.assert_allclose(two.booster.predict(X), one.booster.predict(X), atol=1e-9)
    assert two.history[-1][0][2] == pytest.approx(one.history[-1][0][2], rel=1e-12)


def test_a_resumed_fit_starts_from_the_scores_too(tmp_path):
    pq.write_table(pa.table({"x": X[:, 0], "z": X[:, 1], "start": START, "y": Y}), tmp_path / "rows.parquet")
    source = ParquetSource(tmp_path / "rows.parquet", target="y")

    def interrupted(env):
        if env.iteration == 4:
            raise RuntimeError("the power went out")

    def fit(place, **options):
        kept = {"checkpoint": str(tmp_path / place), "checkpoint_every": 2, "init_score": "start"}
        return LGBMRegressor(**SAME).fit(source, **kept, **options)

    with pytest.raises(RuntimeError, match="power went out"):
        fit("torn", callbacks=[interrupted])
    found = fit("torn", resume=True).predict(source)
    np.testing.assert_allclose(found, fit("whole").predict(source), atol=1e-6)


def test_scores_that_cannot_be_meant_are_refused_by_name():
    model, frame = LGBMRegressor(**SAME), pd.DataFrame(X, columns=list("abcd")).assign(t="text")
    with pytest.raises(UsageError, match=r"init_score has shape \(7,\), but there are 1,500 rows"):
        model.fit(X, Y, init_score=np.zeros(7))
    with pytest.raises(UsageError, match=r"gives 3 score\(s\) a row, but the model has 1"):
        model.fit(X, Y, init_score=THREE)
    with pytest.raises(DataError, match="row 3: init_score is nan; scores to start from are finite"):
        model.fit(X, Y, init_score=np.where(np.arange(1500) == 3, np.nan, START))
    with pytest.raises(DataError, match="no init_score column 'start'"):
        model.fit(frame, Y, init_score="start")
    with pytest.raises(DataError, match=r"init_score column 't' is .*string; scores are numbers"):
        model.fit(frame, Y, init_score="t")
    with pytest.raises(UsageError, match="eval_init_score holds scores of 2 sets, but there are 1"):
        model.fit(X, Y, init_score=START, eval_set=[(X, Y)], eval_init_score=[START, START])
    with pytest.raises(UsageError, match="and so does init_score; give one"):
        model.fit(X, Y, init_score=START, init_model=LGBMRegressor(**SAME).fit(X, Y))
    for params in ({"engine": "native"}, {"boosting": "full"}):
        with pytest.raises(UsageError, match="engine='native' does not take init_score"):
            LGBMRegressor(**params).fit(X, Y, init_score=START)
    with pytest.raises(UsageError, match="rows that are known again"):
        model.fit(X, Y, init_score=START, checkpoint="nowhere")
