"""Documents of saved models whose parts say what they cannot: refused when they are read, by what is wrong."""

import json
from hashlib import sha256

import numpy as np
import pytest

from scalable.boosting import LGBMClassifier
from scalable.errors import ModelError
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.neural import MLPClassifier

X = np.random.default_rng(0).normal(size=(200, 2))
Y = (X[:, 0] > 0).astype(int)


def forge(place, change):
    """Change a saved model's document, under a right checksum."""
    document = json.loads((place / "model.json").read_text())
    change(document["meta"])
    body = json.dumps(document).encode()
    (place / "model.json").write_bytes(body)
    (place / "model.sha256").write_text(sha256(body).hexdigest())


@pytest.mark.parametrize("kind", [4, None, float("nan"), True, ["double"]])
def test_a_column_s_type_is_text(tmp_path, kind):
    LGBMClassifier(n_estimators=2, n_jobs=1).fit(X, Y).save(tmp_path / "m")
    forge(tmp_path / "m", lambda meta: meta["encoder"]["columns"][0].update(arrow_type=kind))
    for load in (load_model, LGBMClassifier.load):
        with pytest.raises(ModelError, match="damaged"):
            load(tmp_path / "m")


def test_numbers_have_no_categories(tmp_path):
    LGBMClassifier(n_estimators=2, n_jobs=1).fit(X, Y).save(tmp_path / "m")
    forge(tmp_path / "m", lambda meta: meta["encoder"]["columns"][0].update(categories=["a"]))
    with pytest.raises(ModelError, match="kind 'float'"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    "learner", [LogisticRegression(), MLPClassifier((2,), max_iter=200, tol=0.1, random_state=0)]
)
@pytest.mark.parametrize("classes", [[0], [0, 1, 2], []])
def test_outputs_are_as_many_as_classes_ask_for(tmp_path, learner, classes):
    learner.fit(X, Y).save(tmp_path / "m")
    forge(tmp_path / "m", lambda meta: meta["encoder"]["labels"].update(classes=classes))
    for load in (load_model, type(learner).load):
        with pytest.raises(ModelError, match=f"{len(classes)} classes"):
            load(tmp_path / "m")
