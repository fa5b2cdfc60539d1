"""Damaged model text is refused by name and never crashes: truncation, edits, fuzzed numbers."""

import re

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.forests import random_booster
from scalable.errors import ModelError
from scalable.inference import compile_model
from scalable.inference.forest.formats.lightgbm_text import parse_text


def text_of(seed):
    return random_booster(seed)[0].model_to_string()


TEXTS = [text_of(seed) for seed in (7, 21, 33)]


def without_sizes(text):
    return re.sub(r"tree_sizes=.*\n", "", text)


def test_header_is_read():
    rng = np.random.default_rng(0)
    booster = lgb.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1},
        lgb.Dataset(rng.standard_normal((200, 2)), rng.integers(0, 3, 200), feature_name=["a", "b"]),
        4,
    )
    model = parse_text(booster.model_to_string())
    assert (model.num_class, model.trees_per_iteration, model.n_features, len(model.trees)) == (3, 3, 2, 12)
    assert model.feature_names == ["a", "b"]
    assert model.objective == "multiclass num_class:3"
    assert not model.average_output


def probabilities(match):
    values = (1.0 / (1.0 + np.exp(-float(value))) for value in match[1].split())
    return "leaf_value=" + " ".join(repr(float(value)) for value in values)


@pytest.mark.parametrize("objective", ["binary", "multiclass", "multiclassova", "cross_entropy"])
@pytest.mark.parametrize("leaves", ["scores", "probabilities"])
def test_averaged_forests_of_version_2_are_as_lightgbm_reads_them_today(objective, leaves):
    """LightGBM 2 averaged probabilities at first; which of the two a file holds, nothing in it tells."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 3))
    several = objective.startswith("multiclass")
    y = np.digitize(X[:, 0] + rng.normal(size=600), [-0.5, 0.5] if several else [0])
    params = {"objective": objective, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    params |= {"num_class": 3} if several else {}
    booster = lgb.train({**params, "verbose": -1, "num_threads": 1}, lgb.Dataset(X, y), 4)
    text = without_sizes(booster.model_to_string()).replace("version=v4", "version=v2")
    text = re.sub(r"(leaf_weight|internal_weight|is_linear)=.*\n", "", text)
    text = text[: text.index("\nparameters:")]
    if leaves == "probabilities":
        text = re.sub(r"leaf_value=(.*)", probabilities, text)
    assert parse_text(text).average_output
    np.testing.assert_array_equal(compile_model(text).predict(X), lgb.Booster(model_str=text).predict(X))


@pytest.mark.parametrize("text", TEXTS)
def test_every_truncation_is_refused(text):
    end = text.index("end of trees")
    for stop in np.linspace(0, end, 60).astype(int):
        with pytest.raises(ModelError):
            compile_model(text[: int(stop)] + "\n")


EDITS = [
    (r"left_child=\S+", "left_child=99", "child"),
    (r"left_child=\S+", "left_child=0", "cycle"),
    (r"split_feature=\S+", "split_feature=99", "split_feature"),
    (r"threshold=\S+", "threshold=nan", "NaN"),
    (r"threshold=\S+", "threshold=abc", "threshold"),
    (r"threshold=\S+ ", "threshold=", "threshold"),
    (r"decision_type=\S+", "decision_type=14", "decision_type"),
    (r"num_leaves=\d+", "num_leaves=999999999", "num_leaves"),
    (r"num_tree_per_iteration=\d+", "num_tree_per_iteration=7", "7 trees per iteration"),
    (r"objective=\S+", "objective=astrology", "astrology"),
    (r"max_feature_idx=\d+", "max_feature_idx=0", "feature"),
]


@pytest.mark.parametrize(("pattern", "replacement", "message"), EDITS)
def test_edit_is_named(pattern, replacement, message):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    booster = lgb.train(
        {"verbose": -1, "num_threads": 1, "objective": "binary"}, lgb.Dataset(X, X[:, 0] > 0), 7
    )
    text = without_sizes(booster.model_to_string())
    damaged, n = re.subn(pattern, replacement, text, count=1)
    assert n
    with pytest.raises(ModelError, match=message):
        compile_model(damaged)


def test_an_objective_of_blanks_is_none():
    text = without_sizes(TEXTS[0])
    blank = re.sub(r"objective=.*", "objective=  ", text, count=1)
    none = re.sub(r"objective=.*\n", "", text, count=1)
    X = np.random.default_rng(0).standard_normal((20, compile_model(none).n_features))
    np.testing.assert_array_equal(compile_model(blank).predict(X), compile_model(none).predict(X))


def test_counts_of_linear_leaves_do_not_wrap_around():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    parameters = {"verbose": -1, "num_threads": 1, "linear_tree": True, "num_leaves": 4}
    text = without_sizes(lgb.train(parameters, lgb.Dataset(X, X[:, 0] ** 2), 2).model_to_string())
    forged, n = re.subn(r"num_features=.*", "num_features=" + " ".join([str(2**62)] * 4), text, count=1)
    assert n
    with pytest.raises(ModelError, match="num_features"):
        compile_model(forged)


def test_changed_tree_length_is_noticed():
    text = random_booster(7)[0].model_to_string()
    with pytest.raises(ModelError, match="tree_sizes"):
        compile_model(text.replace("leaf_value=", "leaf_value=0", 1))


def test_line_ends_of_windows_and_marks_of_editors_change_nothing(tmp_path):
    for seed in (7, 21, 33):
        booster = random_booster(seed)[0]
        X = np.random.default_rng(seed).standard_normal((200, booster.num_feature()))
        turned = "\ufeff" + booster.model_to_string().replace("\n", "\r\n")
        (tmp_path / "m.txt").write_bytes(turned.encode())
        for model in (turned, tmp_path / "m.txt"):
            np.testing.assert_array_equal(compile_model(model).predict(X), compile_model(booster).predict(X))


NUMBERS = st.sampled_from(
    ["-1", "0", "1", "7", "-2147483648", "2147483647", "4294967296", "99999999999999999999", "1e308", "-1e-320", "inf",
     "-inf", "nan", "", "x", "0x1", "1_0", "-5", "65536", "3.5"]
)  # fmt: skip


@settings(max_examples=60)
@given(
    which=st.integers(0, len(TEXTS) - 1),
    places=st.lists(st.tuples(st.floats(0, 1), NUMBERS), min_size=1, max_size=4),
)
@example(which=0, places=[(0.5, "-5")])
def test_fuzzed_numbers_never_crash(which, places):
    """Replace words before the end of the trees; what still compiles predicts, both ways the same."""
    text = without_sizes(TEXTS[which])
    end = text.index("end of trees")
    words = list(re.finditer(r"(?<=[= ])[^\s=]+", text[:end]))
    for where, new in sorted(places, reverse=True):
        word = words[min(int(where * len(words)), len(words) - 1)]
        text = text[: word.start()] + new + text[word.end() :]
    try:
        compiled = compile_model(text)
    except ModelError:
        return
    X = np.random.default_rng(0).standard_normal((70, min(compiled.n_features, 10_000)))
    if compiled.n_features <= 10_000:
        batch = compiled.predict(X, raw_score=True)
        one = np.array([compiled.predict_one(x, raw_score=True) for x in X])
        np.testing.assert_array_equal(batch.reshape(one.shape), one)


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_text_is_refused(text):
    with pytest.raises(ModelError):
        parse_text("tree\n" + text)
