"""A column that was boolean takes true, false, 1, 0 and nothing, on every road; a model would answer anything else."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from scalable.boosting import LGBMClassifier
from scalable.errors import DataError
from scalable.linear import LogisticRegression

LEARNERS = {"linear": LogisticRegression, "trees": lambda: LGBMClassifier(n_estimators=3)}


@pytest.fixture(scope="module", params=LEARNERS)
def model(request):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"flag": rng.random(2000) < 0.5, "kind": rng.choice(["a", "b"], 2000)})
    return LEARNERS[request.param]().fit(frame, frame.flag ^ (rng.random(2000) < 0.2)).predictor()


def roads(model, values):
    columns = {"flag": values, "kind": ["a"] * len(values)}
    yield "dicts", lambda: model.predict([{"flag": v, "kind": "a"} for v in values])
    yield "one", lambda: np.array([model.predict_one({"flag": v, "kind": "a"}) for v in values])
    for name, make in (("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.table)):
        yield name, lambda make=make: model.predict(make(columns))


@pytest.mark.parametrize("values", [[1, 0, 1], [1.0, 0.0, 1.0], [1.0, 0.0, None], [True, False, None]])
def test_ones_and_noughts_are_booleans(model, values):
    wanted = model.predict(pa.table({"flag": pa.array(map_of(values)), "kind": ["a"] * 3}))
    for name, found in roads(model, values):
        np.testing.assert_array_equal(found(), wanted, err_msg=name)


def map_of(values):
    return [None if value is None else bool(value) for value in values]


@pytest.mark.parametrize("value", [2, -1, 0.7, 1e300, float("inf")])
def test_other_numbers_are_refused(model, value):
    for name, found in roads(model, [type(value)(1), value]):
        with pytest.raises(DataError, match=r"'flag' is .* here but was bool in training"):
            print(name, found())
