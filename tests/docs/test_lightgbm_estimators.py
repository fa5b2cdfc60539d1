"""The table of names against LightGBM's own signatures, and ours."""

import inspect
import re
from pathlib import Path

import lightgbm as lgb
import pytest

from scalable.boosting import LGBMClassifier, LGBMRanker, LGBMRegressor

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "lightgbm_estimators.md").read_text()
SAID = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.M))
PAIRS = [
    (LGBMClassifier, lgb.LGBMClassifier),
    (LGBMRegressor, lgb.LGBMRegressor),
    (LGBMRanker, lgb.LGBMRanker),
]


def names(function):
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        n for n, p in inspect.signature(function).parameters.items() if n != "self" and p.kind not in kinds
    ]


def test_every_name_of_lightgbm_is_told_and_none_other():
    theirs = {
        name for _, kind in PAIRS for of in (kind.__init__, kind.fit, kind.predict) for name in names(of)
    }
    theirs |= {n for n in dir(lgb.LGBMClassifier) if n.endswith("_") and not n.startswith("_")}
    assert set(SAID) == theirs
    assert all(re.match(r"works|differs:|refused:", said) for said in SAID.values())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["classifier", "regressor", "ranker"])
def test_ours_take_the_names(ours, theirs):
    assert set(names(theirs.fit)) <= set(names(ours.fit))
    assert set(names(theirs.predict)) <= set(names(ours.predict))
    model = ours()
    for name in names(theirs.__init__):
        assert getattr(model, name) == getattr(theirs(), name), name
