"""The same rows give the same model, whether pandas made floats of an identifier with nulls or not."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.bayes import CategoricalNB
from scalable.boosting import LGBMClassifier
from scalable.errors import DataError
from scalable.features.hashing import as_integers, has_identifier
from scalable.linear import LogisticRegression, Ridge, SGDRegressor

N = 3000
LEARNERS = {
    "linear": LogisticRegression,
    "trees": lambda: LGBMClassifier(n_estimators=5),
    "bayes": CategoricalNB,
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(7)
    ids = np.where(rng.random(N) < 0.1, np.nan, rng.integers(0, 300, N))
    frame = pd.DataFrame({"card_id": ids, "amount": rng.normal(size=N)})
    return frame, ((ids % 7 == 0) | (rng.random(N) < 0.1)).astype(int)


def roads(frame, y, folder):
    written, integers = folder / "written.parquet", folder / "integers.parquet"
    frame.assign(y=y).to_parquet(written, index=False)
    whole = frame.assign(card_id=frame.card_id.astype("Int64"))
    pq.write_table(pa.Table.from_pandas(whole.assign(y=y), preserve_index=False), integers)
    assert pq.read_schema(written).field("card_id").type == pa.float64()
    assert pq.read_schema(integers).field("card_id").type == pa.int64()
    yield frame, y
    yield whole, y
    yield pa.Table.from_pandas(frame, preserve_index=False), y
    yield ParquetSource(written, target="y"), None
    yield ParquetSource(integers, target="y"), None


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_identifier_with_nulls_is_one_on_every_road(learner, rows, tmp_path):
    frame, y = rows
    models = [LEARNERS[learner]().fit(*given) for given in roads(frame, y, tmp_path)]
    said = {tuple(model.describe_columns()) for model in models}
    assert len(said) == 1
    assert "card_id (int64)" in said.pop()[0] or learner == "bayes"
    first, *others = (model.predict_proba(frame) for model in models)
    for found in others:
        np.testing.assert_array_equal(found, first)
    requests = [{"card_id": 14.0, "amount": 0.5}, {"card_id": 14, "amount": 0.5}]
    once, again = (models[0].predictor().predict_one(request) for request in requests)
    assert once == again


@pytest.mark.parametrize("learner", ["linear", "trees"])
def test_a_single_fraction_makes_it_a_number(learner, rows):
    frame, y = rows
    frame = frame.assign(card_id=np.where(np.arange(N) == N - 1, 0.5, frame.card_id))
    assert LEARNERS[learner]().fit(frame, y).describe_columns()[0].startswith("card_id (double): ")


def test_identifiers_can_be_left_numbers(rows):
    frame, y = rows
    model = LGBMClassifier(n_estimators=2, identifiers=False).fit(frame, y)
    assert model.describe_columns()[0] == "card_id (double): number"


def test_floats_named_as_categories_are_refused(rows):
    frame, y = rows
    table = pa.Table.from_pandas(frame.rename(columns={"card_id": "shop"}), preserve_index=False)
    with pytest.raises(DataError, match="'shop' is double, and categories are text or integers; cast it"):
        LogisticRegression(categorical=["shop"]).fit(table, y)


@pytest.mark.parametrize(
    ("values", "whole"), [([1.0, np.nan], [1, None]), ([0.5], None), ([np.inf], None), ([2.0**60], None)]
)
def test_only_floats_that_are_integers_beyond_doubt_are_taken_as_such(values, whole):
    found = as_integers(pa.array(values, pa.float64()))
    assert (None if found is None else found.to_pylist()) == whole


def test_frames_of_numbers_have_an_identifier_by_name_and_many_values():
    assert has_identifier(pd.DataFrame({"zip": np.arange(100)}))
    assert has_identifier(pd.DataFrame({"zip": [np.nan, *range(100)]}))
    assert not has_identifier(pd.DataFrame({"zip": np.arange(100) % 3}))
    assert not has_identifier(pd.DataFrame({"zip": np.arange(100) / 3}))
    assert not has_identifier(pd.DataFrame({"amount": np.arange(100)}))


@pytest.mark.parametrize("learner", [Ridge, SGDRegressor])
def test_few_rows_are_predicted_as_many_are(learner):
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 200, N)
    frame = pd.DataFrame({"card_id": 2**60 + 3 * ids, "amount": rng.normal(size=N)})  # not exact as floats
    target = rng.normal(size=200)[ids]
    fitted = learner().fit(frame, target)
    together = fitted.predict(frame)
    assert np.corrcoef(together, target)[0, 1] > 0.9
    assert np.array_equal(fitted.predict(frame[:10]), together[:10])
    assert np.array_equal(fitted.predict(frame[["amount", "card_id"]][:10]), together[:10])


def test_few_more_rows_are_learned_as_those_before():
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 200, N)
    frame = pd.DataFrame({"card_id": 2**60 + 3 * ids, "amount": rng.normal(size=N)})
    target = rng.normal(size=200)[ids]
    one, other = SGDRegressor(random_state=0), SGDRegressor(random_state=0)
    for part in (frame, frame[:10]):
        one.partial_fit(part, target[: len(part)])
    for part in (frame, pa.Table.from_pandas(frame[:10])):
        other.partial_fit(part, target[: len(part)])
    assert np.array_equal(one.predict(frame), other.predict(frame))


@pytest.mark.parametrize("learner", LEARNERS)
def test_fractions_among_identifiers_are_told_apart_on_every_road(learner, tmp_path):
    """As when the sample that decides has whole numbers only: equal fractions are one identifier, others are others."""
    rng = np.random.default_rng(5)
    ids = rng.integers(0, 200, N)
    frame = pd.DataFrame({"card_id": ids, "amount": rng.normal(size=N)})
    model = LEARNERS[learner]().fit(frame, (ids % 7 == 0) | (rng.random(N) < 0.1))
    some = frame[:40].assign(card_id=[*np.arange(38) / 4 + 0.125, np.inf, -np.inf])
    expected = model.predict_proba(some)[:, 1]
    some.to_parquet(tmp_path / "some.parquet", index=False)
    held = pa.Table.from_pandas(some, preserve_index=False)
    for given in (held, ParquetSource(tmp_path / "some.parquet")):
        np.testing.assert_array_equal(model.predict_proba(given)[:, 1], expected)
    predictor = model.predictor()
    alone = [predictor.predict_one(row) for row in some.to_dict("records")]
    np.testing.assert_allclose(alone, expected, rtol=1e-12)


def test_fractions_among_identifiers_are_learned_apart():
    ids, target = np.tile(np.arange(200), 15), np.tile([-1.0, 1.0], N // 2)
    frame, halves = (pd.DataFrame({"card_id": each}) for each in (ids, ids + 0.5))
    model = SGDRegressor(random_state=0).partial_fit(frame, target)
    for _ in range(5):
        model.partial_fit(halves, target)
    assert np.corrcoef(model.predict(halves), target)[0, 1] > 0.9
