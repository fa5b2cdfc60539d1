import sys
from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting.dataset import lightgbm_api as native

NAMES = [f"x{j}" for j in range(6)]
PARAMS = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 6))
    X[rng.random(3000) < 0.1, 1] = np.nan
    X[:, 2] = rng.integers(0, 12, 3000)
    X[:, 3] = rng.random(3000) < 0.05
    X[:, 5] = rng.random(3000) < 0.01
    y = (X[:, 0] + np.nan_to_num(X[:, 1]) + (X[:, 2] % 3) + rng.normal(size=3000) > 1).astype(np.float32)
    return X, y, rng.random(3000).astype(np.float32)


def streamed(X, y, weight, *, blocks, params, init_score=None, dtype=np.float64, pushers=1):
    columns = [np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])]
    reference = native.reference_from_sample(columns, n_rows=len(X), params=params, names=NAMES)
    target = native.StreamedDataset(
        native.serialize_reference(reference),
        len(X),
        params,
        NAMES,
        has_weight=weight is not None,
        has_init_score=init_score is not None,
        n_pushers=pushers,
    )
    parts = np.array_split(np.arange(len(X)), blocks)

    def push(pusher):
        while parts:
            part = parts.pop(0 if pusher == 0 else -1)
            target.push(
                np.ascontiguousarray(X[part], dtype),
                y[part],
                None if weight is None else weight[part],
                None if init_score is None else init_score[:, part].copy(),
                start=int(part[0]),
                pusher=pusher,
            )

    with ThreadPoolExecutor(pushers) as pool:
        list(pool.map(push, range(pushers)))
    return target.finish()


def trees(booster):
    return booster.model_to_string().split("parameters:")[0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("blocks", [1, 7])
def test_streamed_rows_train_the_trees_of_plain_lightgbm(rows, weighted, blocks):
    X, y, weight = rows
    weight = weight if weighted else None
    params = {**PARAMS, "objective": "binary", "categorical_feature": "2"}
    booster = lgb.Booster(params, streamed(X, y, weight, blocks=blocks, params=params))
    for _ in range(15):
        booster.update()
    plain = {name: value for name, value in params.items() if name != "categorical_feature"}
    expected = lgb.train(
        plain,
        lgb.Dataset(X, y, weight=weight, categorical_feature=[2], feature_name=NAMES),
        num_boost_round=15,
    )
    assert trees(booster) == trees(expected)


@pytest.mark.parametrize("pushers", [2, 5])
def test_blocks_pushed_at_once_and_in_any_order_make_the_same_dataset(rows, pushers):
    X, y, weight = (np.concatenate([part] * 9) for part in rows)  # columns 3 and 5 are sparse, 2 categorical
    X = np.column_stack([X, X[:, 5], X[::-1, 5], X[:, 3]])  # exclusive columns are bundled
    names = [f"x{j}" for j in range(X.shape[1])]
    params = {**PARAMS, "objective": "binary", "categorical_feature": "2", "max_bin": 15}
    score = np.linspace(-1, 1, len(X))[None]
    saved = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "NAMES", names)
        for n in (1, pushers):
            data = streamed(X, y, weight, blocks=60, params=params, init_score=score, pushers=n)
            booster = lgb.Booster(params, data)
            for _ in range(3):
                booster.update()
            saved.append(booster.model_to_string())
    assert saved[0] == saved[1]


def test_initial_scores_reach_the_booster(rows):
    X, y, _ = rows
    score = np.linspace(-1, 1, len(X))[None]
    params = {**PARAMS, "objective": "binary"}
    booster = lgb.Booster(params, streamed(X, y, None, blocks=3, params=params, init_score=score))
    booster.update()
    expected = lgb.train(
        params, lgb.Dataset(X, y, init_score=score[0], feature_name=NAMES), num_boost_round=1
    )
    assert trees(booster) == trees(expected)


def test_float32_rows_give_the_same_bins_when_the_values_are_float32(rows):
    X, y, _ = rows
    X = X.astype(np.float32).astype(np.float64)
    params = {**PARAMS, "objective": "binary"}
    texts = []
    for dtype in (np.float32, np.float64):
        booster = lgb.Booster(params, streamed(X, y, None, blocks=2, params=params, dtype=dtype))
        booster.update()
        texts.append(booster.model_to_string())
    assert texts[0] == texts[1]


def test_a_dataset_refuses_what_does_not_fit(rows):
    X, y, weight = rows
    reference = native.reference_from_sample(
        [np.ascontiguousarray(X[:, j]) for j in range(6)], n_rows=10, params=PARAMS, names=NAMES
    )
    target = native.StreamedDataset(native.serialize_reference(reference), 10, PARAMS, NAMES)
    with pytest.raises(ValueError, match="shape"):
        target.push(np.zeros((2, 5)), y[:2])
    with pytest.raises(ValueError, match="every block or with none"):
        target.push(X[:2].copy(), y[:2], weight[:2])
    with pytest.raises(ValueError, match="11 rows pushed into a dataset of 10"):
        target.push(X[:11].copy(), y[:11])
    with pytest.raises(ValueError, match="0 rows pushed"):
        target.finish()
