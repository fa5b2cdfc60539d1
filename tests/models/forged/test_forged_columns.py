"""What a saved encoder says of its columns is proven when it is read: values could not be encoded so."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from scalable.bayes import CategoricalNB, GaussianNB
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.data.table import TableSource
from scalable.errors import ModelError
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.models.store import read_model, save_model
from scalable.neural import MLPClassifier
from tests.models.forged.test_forged_documents import forge

N = 300
RNG = np.random.default_rng(0)
X = RNG.random(N)
ROWS = pa.table(
    {
        "x": X,
        "when": pa.array(RNG.integers(0, 30 * 86_400, N)).cast(pa.timestamp("s")),
        "code": RNG.integers(0, 4, N),
        "still": np.ones(N),
        "t": RNG.choice([*"abc"], N),
        "s": RNG.choice([*"abc"], N),
        "k_id": RNG.integers(0, 200, N),
        "y": (RNG.random(N) < X).astype(np.int64),
    }
)
SOURCE = TableSource(ROWS, target="y")
LEARNERS = {
    "linear": LogisticRegression(categorical=["code"], n_bins=64, max_iter=200),
    "trees": LGBMClassifier(n_estimators=2, num_leaves=4, n_jobs=1),
    "categories": CategoricalNB(var_smoothing=1e-15),  # which hides no number beside a time
    "numbers": GaussianNB(),
    "network": MLPClassifier((2,), max_iter=200, tol=0.1, n_bins=64, random_state=0),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for name, learner in LEARNERS.items():
        rows = TableSource(ROWS, "y", ["x", "code"]) if name == "numbers" else SOURCE
        learner.fit(rows).save(place / name)
    return place


def at(name, /, **changed):
    """Change the description of a column."""

    def change(meta):
        columns = [*meta["encoder"]["columns"], *meta["encoder"].get("categories", ())]
        found = [c for c in columns if (c[0] if isinstance(c, list) else c["name"]) == name]
        found[0].update(changed)

    return change


def of_encoder(**changed):
    return lambda meta: meta["encoder"].update(changed)


def of_fitted(**changed):
    return lambda meta: meta["learner"]["fitted"].update(changed)


FORGED = {
    "linear": [
        at("still", action="drip"), at("x", scale=0.0), at("x", scale=float("nan")), at("x", log_unit=-1.0),
        at("x", name="when"), at("x", calendar=["hour"]), at("when", day_ticks=0.0), at("when", day_ticks=0.5),
        at("when", day_ticks=1e300), at("when", calendar=["weekday", "hour"]), at("when", arrow_type="double"),
        at("code", categories=[3, 2, 1, 0]), at("code", categories=[0, 1, 2, 2]), at("code", categories=[*"0123"]),
        at("t", categories=["a", "b", []]), at("t", categories=["a", "b", None]), at("t", shares=[1.0]),
        at("t", kind="float"), at("x", kind="text"), at("x", arrow_type="decimal128(99999999999, 2)"),
        of_encoder(n_buckets=0), of_encoder(n_buckets=0.5), of_encoder(n_buckets=65), of_encoder(n_buckets=True),
        of_encoder(weight=[]), of_encoder(labels={"column": [], "classes": [0, 1]}),
        *(of_encoder(labels={"column": "y", "classes": c}) for c in ([0, []], [0, "a"], [0, 10**40], [0, 0])),
        of_encoder(labels=None), of_encoder(labels={"column": "y", "classes": None}),
        of_fitted(predict=1), of_fitted(n_features_in_="x"), of_fitted(names=["x"]), of_fitted(n_features_in_=None),
    ],
    "trees": [
        at("t", categories=None), at("t", categories=["a", []]), at("t", coded=True), at("k_id", kind="float"),
        at("x", name="t"), at("x", kind="other"), at("t", arrow_type="double"), of_encoder(weight={}),
        of_encoder(labels={"column": "y", "classes": None}), of_encoder(labels={"column": 3, "classes": [0, 1]}),
        of_fitted(booster_=1, predict_proba=2),
    ],
    "categories": [
        at("t", known=["a", [], "c"]), at("k_id", known=[2, 1]), at("t", name="x"), at("t", kind="float"),
        of_encoder(labels={"column": "y", "classes": [0]}),
    ],
    "numbers": [
        of_encoder(columns=[["x", "string", "text"], ["code", "int64", "integer"]]), of_encoder(labels=None),
        of_encoder(columns=[["x", "double", "float"], ["x", "double", "float"]]),
    ],
    "network": [at("t", categories=["a", "b", {}]), of_encoder(n_buckets=3), of_encoder(weight=1)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "k"), [(name, k) for name, every in FORGED.items() for k in range(len(every))]
)
def test_what_could_not_be_encoded_is_refused(saved, tmp_path, name, k):
    shutil.copytree(saved / name, tmp_path / "m")
    forge(tmp_path / "m", FORGED[name][k])
    with pytest.raises(ModelError):
        type(LEARNERS[name]).load(tmp_path / "m")
    try:
        model = load_model(tmp_path / "m")
    except ModelError:
        return
    # a predictor asks for no classifier and looks at no fitted attribute
    assert FORGED[name][k].__qualname__.startswith("of_")
    assert len(model.predict_block(next(SOURCE.raw_blocks(SOURCE.shards[0])))) == N


@pytest.mark.parametrize("name", LEARNERS)
def test_what_was_saved_is_read(saved, name):
    source = SOURCE.without_target()
    found = type(LEARNERS[name]).load(saved / name)
    np.testing.assert_array_equal(found.predict(source), LEARNERS[name].predict(source))
    model = load_model(saved / name)
    row = {column: ROWS[column][0].as_py() for column in ROWS.column_names}
    assert model.predict_one(row) == pytest.approx(
        model.predict_block(next(SOURCE.raw_blocks(SOURCE.shards[0])))[0]
    )


def test_the_last_cell_of_a_table_is_looked_for(saved, tmp_path):
    stored = read_model(saved / "categories")
    arrays = {**stored.arrays, "cell_log_prob": stored.arrays["cell_log_prob"][:, :-1]}
    save_model(tmp_path / "m", stored.kind, stored.meta, arrays)
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "m")


def test_a_regressor_has_no_classes(tmp_path):
    LGBMRegressor(n_estimators=2, n_jobs=1).fit(SOURCE).save(tmp_path / "m")
    forge(tmp_path / "m", of_encoder(labels={"column": "y", "classes": [0, 1]}))
    with pytest.raises(ModelError, match="no labels of a LGBMRegressor"):
        LGBMRegressor.load(tmp_path / "m")
