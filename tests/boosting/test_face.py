"""Each name of a LightGBM estimator, beside LightGBM's own."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.boosting.params import canonical
from scalable.boosting.prepare import starting_score
from scalable.errors import DataError, UsageError
from scalable.features.target_summary import TargetSummary

SAME = {"n_jobs": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}
RNG = np.random.default_rng(5)
X = RNG.normal(size=(1200, 4))
Y = X[:, 0] - X[:, 1] ** 2 + RNG.normal(size=1200) * 0.3
B = (Y > 0.8).astype(int)
XV, YV, BV = X[800:], Y[800:], B[800:]


def both(kind, fit, **params):
    """Return our fitted estimator and LightGBM's."""
    found = []
    for module in (
        (LGBMClassifier, lgb.LGBMClassifier) if kind == "class" else (LGBMRegressor, lgb.LGBMRegressor)
    ):
        model = module(n_estimators=8, num_leaves=7, **SAME, **params)
        found.append(model.fit(X[:800], (B if kind == "class" else Y)[:800], **fit))
    return found


@pytest.mark.parametrize("metric", [None, "auc", ["auc", "logloss"]], ids=str)
def test_validation_sets_are_named_and_scored_as_in_lightgbm(metric):
    weight = [np.linspace(1, 2, 400), np.ones(800)]
    fit = {
        "eval_X": (XV, X[:800]),
        "eval_y": (BV, B[:800]),
        "eval_names": ["held", "seen"],
        "eval_metric": metric,
    }
    ours, theirs = both("class", {**fit, "eval_sample_weight": weight})
    assert list(ours.evals_result_) == ["held", "seen"]
    for name, metrics in theirs.evals_result_.items():
        assert sorted(ours.evals_result_[name]) == sorted(metrics)
        for one, values in metrics.items():
            np.testing.assert_allclose(ours.evals_result_[name][one], values, rtol=1e-6)
            assert ours.best_score_[name][one] == pytest.approx(theirs.best_score_[name][one], rel=1e-6)


@pytest.mark.parametrize("classes", ["balanced", {0: 1.0, 1: 7.5}, {1: 3.0}], ids=str)
def test_class_weights_of_validation_sets(classes):
    sets = {"eval_X": (XV, X[:800]), "eval_y": (BV, B[:800])}
    fit = {**sets, "eval_class_weight": [classes, None]}
    ours, theirs = both("class", {**fit, "eval_sample_weight": [np.linspace(1, 2, 400), np.ones(800)]})
    plain, _ = both("class", sets)
    for name in ("valid_0", "valid_1"):
        found = ours.evals_result_[name]["binary_logloss"]
        np.testing.assert_allclose(found, theirs.evals_result_[name]["binary_logloss"], rtol=1e-6)
    assert ours.best_score_["valid_0"] != pytest.approx(plain.best_score_["valid_0"], rel=1e-3)


def test_class_weights_of_validation_sets_that_cannot_be_meant():
    with pytest.raises(UsageError, match="a list of 1, one entry for each set"):
        LGBMClassifier().fit(X, B, eval_set=[(XV, BV)], eval_class_weight={0: 1.0, 1: 2.0})
    with pytest.raises(UsageError, match="for classifiers"):
        LGBMRegressor().fit(X, Y, eval_set=[(XV, YV)], eval_class_weight=["balanced"])


@pytest.mark.parametrize("rule", [{"min_delta": 0.02}, {"first_metric_only": True}, {}], ids=str)
def test_callbacks_are_lightgbm_s(rule):
    runs = []
    for module in (LGBMRegressor, lgb.LGBMRegressor):
        seen = {}
        model = module(n_estimators=60, num_leaves=7, learning_rate=0.3, metric=["l1", "l2"], **SAME)
        calls = [lgb.early_stopping(3, verbose=False, **rule), lgb.record_evaluation(seen)]
        model.fit(X[:800], Y[:800], eval_X=XV, eval_y=YV, callbacks=calls)
        runs.append((model.best_iteration_, len(seen["valid_0"]["l1"]), seen["valid_0"]["l2"][-1]))
    assert runs[0] == pytest.approx(runs[1], rel=1e-6)


@pytest.mark.parametrize("names", [None, ["seen", "held"]], ids=str)
def test_the_training_rows_are_shown_but_stop_nothing_as_in_lightgbm(names):
    """By their own metric, which stops falling at once where they are learned by heart, training would end too soon."""
    seen, own, weight = X[:800], Y[:800], np.linspace(0.5, 2, 800)

    def metric(y, p):
        return "loss", float(np.mean((y - p) ** 2)) if len(y) == len(XV) else 0.0, False

    runs = []
    for module in (LGBMRegressor, lgb.LGBMRegressor):
        model = module(n_estimators=60, num_leaves=7, learning_rate=0.3, **SAME)
        sets = {"eval_X": (seen, XV), "eval_y": (own, YV), "eval_names": names, "eval_metric": metric}
        model.fit(seen, own, weight, callbacks=[lgb.early_stopping(3, verbose=False)], **sets)
        runs.append(model)
    ours, theirs = runs
    assert ours.best_iteration_ == theirs.best_iteration_ > 4
    first, _ = names or ["training", "valid_1"]
    for name, found in theirs.evals_result_.items():
        np.testing.assert_allclose(ours.evals_result_[name]["l2"], found["l2"], rtol=1e-6)
    assert next(iter(ours.best_score_)) == first


@pytest.mark.parametrize(
    "how",
    [
        {"raw_score": True},
        {"num_iteration": 3},
        {"start_iteration": 2},
        {"pred_leaf": True},
        {"pred_contrib": True},
    ],
    ids=lambda how: next(iter(how)),
)
@pytest.mark.parametrize("kind", ["class", "number"])
def test_predict_takes_what_lightgbm_s_does(kind, how):
    ours, theirs = both(kind, {})
    np.testing.assert_array_equal(ours.predict(XV, **how), theirs.predict(XV, **how))


@pytest.mark.parametrize("kind", ["split", "gain"])
def test_attributes_are_lightgbm_s(kind):
    ours, theirs = both("class", {}, importance_type=kind, subsample=0.9, reg_alpha=0.5)
    np.testing.assert_allclose(ours.feature_importances_, theirs.feature_importances_, rtol=1e-9)
    for name in (
        "n_iter_",
        "n_estimators_",
        "n_features_",
        "objective_",
        "subsample",
        "reg_alpha",
        "reg_lambda",
    ):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.lambda_l1 == 0.5
    with pytest.raises(AttributeError, match="lambda_l3"):
        _ = ours.lambda_l3
    assert len(ours.feature_name_) == 4


@pytest.mark.parametrize("weight", ["balanced", {1: 3.0}], ids=str)
def test_class_weights_are_lightgbm_s(weight):
    sample = np.linspace(0.5, 2, 800)
    ours, theirs = both("class", {"sample_weight": sample}, class_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(XV), theirs.predict_proba(XV), atol=1e-7)
    plain, _ = both("class", {"sample_weight": sample})
    assert abs(plain.predict_proba(XV) - ours.predict_proba(XV)).max() > 0.01
    with pytest.raises(UsageError, match="classifiers"):
        LGBMRegressor(class_weight="balanced").fit(X, Y)


def two(y_true, y_pred):
    p = 1 / (1 + np.exp(-y_pred))
    return p - y_true, p * (1 - p)


def test_an_objective_of_two_arguments_gives_raw_scores_as_in_lightgbm():
    y = B
    models = [
        m(n_estimators=6, objective=two, **SAME).fit(X, y) for m in (LGBMClassifier, lgb.LGBMClassifier)
    ]
    with pytest.warns(UserWarning, match="raw scores"):
        ours = models[0].predict(XV)
    with pytest.warns(UserWarning, match="raw scores"):
        theirs = models[1].predict(XV)
    np.testing.assert_allclose(ours, theirs, atol=1e-7)
    with pytest.raises(UsageError, match="y_true, y_pred"):
        LGBMRegressor(objective=lambda y: y).fit(X, Y)
    for wrong in (lambda y, z: z - y, lambda y, z: (z - y, 1.0), lambda y, z: None, lambda y, z: ("a", "b")):
        for engine in ("native", "lightgbm"):
            with pytest.raises(UsageError, match=r"^objective must return two arrays of the shape .*[^\n]*$"):
                LGBMRegressor(objective=wrong, n_estimators=1, engine=engine).fit(X, Y)


@pytest.mark.parametrize("seed", [np.random.RandomState, np.random.default_rng], ids=["state", "generator"])
def test_seeds_are_drawn_as_in_lightgbm(seed):
    found = [
        m(n_estimators=5, subsample=0.5, subsample_freq=1, random_state=seed(3), **SAME).fit(X, Y).predict(XV)
        for m in (LGBMRegressor, lgb.LGBMRegressor)
    ]
    np.testing.assert_array_equal(*found)


def test_sparse_rows_are_those_with_their_zeros(monkeypatch):
    monkeypatch.setattr("scalable.inference.forest.inputs.SPARSE_VALUES", 700)  # some parts
    some = np.where(np.abs(X) > 0.7, X, 0.0)
    whole = LGBMRegressor(n_estimators=5, **SAME).fit(some, Y)
    thin = LGBMRegressor(n_estimators=5, **SAME).fit(sparse.csr_matrix(some), Y)
    plain = lgb.LGBMRegressor(n_estimators=5, **SAME).fit(sparse.csr_matrix(some), Y)
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array):
        np.testing.assert_array_equal(thin.predict(kind(some)), whole.predict(some))
        np.testing.assert_array_equal(thin.predict(kind(some)), plain.predict(some))
    np.testing.assert_array_equal(
        thin.predict(sparse.csr_matrix(some), pred_leaf=True), plain.predict(some, pred_leaf=True)
    )


def test_numbers_can_be_categories():
    code = RNG.integers(0, 12, 1200)
    rows, y = np.column_stack([code, X[:, 0]]), np.sin(code * 7.0) + X[:, 0]
    ours, theirs = (
        m(n_estimators=8, min_data_per_group=5, **SAME).fit(rows, y, categorical_feature=[0]).predict(rows)
        for m in (LGBMRegressor, lgb.LGBMRegressor)
    )
    np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UsageError, match="categorical_feature names column 9"):
        LGBMRegressor().fit(rows, y, categorical_feature=[9])
    named = LGBMRegressor(n_estimators=2, **SAME).fit(rows, y, feature_name=["code", "x"])
    assert named.feature_name_ == ["code", "x"]


def identified(n=3000):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"user_id": rng.integers(0, 500, n), "x": rng.normal(size=n), "z": rng.normal(size=n)}
    )
    return frame, frame["x"] * frame["z"] + (frame["user_id"] % 7) / 5 + rng.normal(size=n) * 0.1


def test_constraints_are_by_the_user_s_columns():
    frame, y = identified()
    model = LGBMRegressor(n_estimators=20, monotone_constraints=[0, 1, 0], **SAME).fit(frame, y)
    grid = pd.concat([frame.head(1)] * 50).assign(x=np.linspace(-3, 3, 50))
    assert (np.diff(model.predict(grid)) >= -1e-12).all()
    number = LGBMRegressor(n_estimators=20, monotone_constraints="1,0,0", **SAME).fit(frame, y)
    grid = pd.concat([frame.head(1)] * 50).assign(user_id=np.arange(0, 500, 10))
    assert (np.diff(number.predict(grid)) >= -1e-12).all()
    apart = LGBMRegressor(n_estimators=20, interaction_constraints=[[0, 1], [2]], **SAME).fit(frame, y)
    grid = frame.head(40)
    lifted = apart.predict(grid.assign(z=1.0)) - apart.predict(grid.assign(z=-1.0))
    np.testing.assert_allclose(lifted, lifted[0], atol=1e-12)  # z adds the same whatever the rest is
    LGBMRegressor(n_estimators=3, max_bin_by_feature=[10, 20, 30], feature_contri=[1, 0.5, 1], **SAME).fit(
        frame, y
    )
    with pytest.raises(UsageError, match="monotone_constraints holds 2 values for 3 columns"):
        LGBMRegressor(monotone_constraints=[1, 0]).fit(frame, y)
    with pytest.raises(UsageError, match="'kind' is of categories"):
        LGBMRegressor(monotone_constraints=[0, 0, 0, 1]).fit(frame.assign(kind=list("ab") * 1500), y)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *((alias, "regression") for alias in ("mse", "rmse", "l2_root", "root_mean_squared_error")),
        ("mean_absolute_percentage_error", "mape"),
        ("mae", "regression_l1"),
        ("xentropy", "cross_entropy"),
        ("xentlambda", "cross_entropy_lambda"),
    ],
)
def test_objectives_have_one_name(alias, name):
    assert canonical({"objective": alias, "application": name})["objective"] == name
    with pytest.raises(UsageError, match="did you mean 'regression'"):
        canonical({"objective": "regresion"})


def test_starting_scores_are_lightgbm_s():
    p = 1 / (1 + np.exp(-Y))
    for objective, label, extra in (("cross_entropy_lambda", p, {}), ("regression", Y, {"reg_sqrt": True})):
        params = {
            "objective": objective,
            "num_leaves": 2,
            "min_data_in_leaf": 10_000,
            "verbosity": -1,
            **extra,
        }
        plain = lgb.train(params, lgb.Dataset(X, label), 1).predict(X[:1], raw_score=True)[0]
        single = np.float32(label)
        mean = float((np.sign(single) * np.sqrt(abs(single)) if extra else single).mean(dtype=np.float64))
        target = TargetSummary(1200, 1200.0, single_mean=mean)
        assert starting_score({**params, "boost_from_average": True}, target)[0] == pytest.approx(
            plain, rel=1e-5
        )


def test_plain_models_are_continued(tmp_path):
    plain = lgb.LGBMRegressor(n_estimators=4, **SAME).fit(X, Y)
    plain.booster_.save_model(tmp_path / "plain.txt")
    whole = lgb.LGBMRegressor(n_estimators=4, **SAME).fit(X, Y, init_model=plain)
    for given in (plain, plain.booster_, tmp_path / "plain.txt", str(tmp_path / "plain.txt")):
        more = LGBMRegressor(n_estimators=4, **SAME).fit(X, Y, init_model=given)
        assert more.n_iter_ == 8
        np.testing.assert_allclose(more.predict(X), whole.predict(X), atol=1e-6)
    with pytest.raises(UsageError, match="no LightGBM model can be read"):
        LGBMRegressor().fit(X, Y, init_model=tmp_path / "none.txt")
    frame = pd.DataFrame({"x": X[:, 0], "k": pd.Categorical(np.where(X[:, 1] > 0, "a", "b"))})
    coded = lgb.LGBMRegressor(n_estimators=2, **SAME).fit(frame, Y)
    with pytest.raises(UsageError, match="pandas categories"):
        LGBMRegressor().fit(frame, Y, init_model=coded)


def test_models_are_continued_and_judged_on_rows_that_have_their_columns():
    names, others = list("abcd"), list("abcz")
    frame, renamed = pd.DataFrame(X, columns=names), pd.DataFrame(X, columns=others)
    of_frame, of_array = (LGBMRegressor(n_estimators=2, **SAME).fit(rows, Y) for rows in (frame, X))
    for model, rows, missing in (
        (of_frame, renamed, "d"),
        (of_frame, X, "a, b, c, d"),
        (of_array, frame, "x0, x1, x2, x3"),
        (of_array, X[:, :3], "x3"),
    ):
        with pytest.raises(UsageError, match=rf"trained on columns \({missing}\)"):
            LGBMRegressor(n_estimators=2, **SAME).fit(rows, Y, init_model=model)
    backwards = LGBMRegressor(n_estimators=2, **SAME).fit(frame[names[::-1]], Y, init_model=of_frame)
    assert backwards.n_iter_ == 4
    for n_workers in (None, 2):
        with pytest.raises(DataError, match=r"no feature column 'd'; its columns are a, b, c, z"):
            LGBMRegressor(n_estimators=2, n_workers=n_workers, **SAME).fit(frame, Y, eval_set=[(renamed, Y)])
    with pytest.raises(UsageError) as raised:
        LGBMRegressor().fit(X, Y, init_model=of_array.booster_.model_to_string())
    assert len(str(raised.value)) < 500


def test_a_metric_that_nobody_knows_is_refused_without_validation_rows_too():
    with pytest.raises(UsageError, match="did you mean 'auc'"):
        LGBMClassifier(metric="aucc", n_estimators=2).fit(X, B)
    with pytest.raises(UsageError, match="no metric 'l3'"):
        LGBMRegressor(n_estimators=2).fit(X, Y, eval_metric=["l2", "l3"])
    for name in ("none", "ndcg", ["auc", "binary_logloss"]):
        assert LGBMClassifier(metric=name, n_estimators=2, **SAME).fit(X, B).n_iter_ == 2


def test_weights_of_relative_errors_are_not_left_to_lightgbm_s_columns():
    """Column by column, LightGBM gives every row the weight of the first: here 200 times what it has."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    y = np.exp(X[:, 0] + 0.3 * rng.normal(size=len(X))) * 10
    weight = np.r_[200.0, rng.uniform(0.5, 1.5, len(X) - 1)]
    ours = LGBMRegressor(objective="mape", n_estimators=20, n_jobs=1).fit(X, y, sample_weight=weight)
    how = {"objective": "mape", "num_threads": 1, "verbosity": -1}
    right, wrong = (
        lgb.train({**how, layout: True}, lgb.Dataset(X, y, weight=weight), 20)
        for layout in ("force_row_wise", "force_col_wise")
    )

    def loss(model):
        return np.average(np.abs(y - model.predict(X)) / np.maximum(1.0, np.abs(y)), weights=weight)

    assert loss(ours) == pytest.approx(loss(right), rel=0.02)
    assert loss(wrong) > 1.2 * loss(ours)
    with pytest.raises(UsageError, match="first one's weight; leave force_col_wise out"):
        LGBMRegressor(objective="mape", force_col_wise=True).fit(X, y, sample_weight=weight)
    LGBMRegressor(objective="mape", force_col_wise=True, n_estimators=1).fit(X, y)
