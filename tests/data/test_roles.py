"""Roles of columns: which are features, and what a role may not be."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.boosting import LGBMClassifier
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.data.parquet import ParquetSource
from scalable.data.roles import Roles
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression, Ridge
from scalable.models.predictors import load_model
from scalable.scoring.evaluate import evaluate_model

SCHEMA = pa.schema(
    [
        ("amount", pa.float32()),
        ("age", pa.int64()),
        ("city", pa.string()),
        ("label", pa.int8()),
        ("w", pa.float64()),
        ("tags", pa.list_(pa.string())),
    ]
)


def test_features_are_all_columns_without_a_role():
    usable = SCHEMA.remove(5)
    assert Roles("label", "w").features(usable, "f") == ["amount", "age", "city"]
    assert Roles().features(usable, "f") == ["amount", "age", "city", "label", "w"]
    assert Roles("label").features(SCHEMA, "f", ("city", "age")) == ["city", "age"]


@pytest.mark.parametrize(
    ("target", "features", "weight", "message"),
    [
        ("lable", None, None, "data.parquet: there is no target column 'lable'; did you mean 'label'"),
        ("zzzzzz", None, None, "its columns are amount, age, city, label"),
        ("label", ["amuont"], None, "no feature column 'amuont'; did you mean 'amount'"),
        ("label", None, "ww", "no weight column 'ww'"),
        ("label", ["label", "age"], None, "column 'label' is given as a feature and as target or weight"),
        ("label", ["age", "age"], None, "column 'age' is given twice as a feature"),
        ("label", None, "label", "column 'label' is given as both target and weight"),
        ("label", ["age"], "city", "weight column 'city' is string; weights are numbers"),
        ("label", [], None, "no feature columns are left besides"),
        (
            "label",
            None,
            None,
            r"column 'tags' is list.*cannot be learned from; leave it out: exclude=\['tags'\], or --exclude tags",
        ),
    ],
)
def test_bad_roles_are_clear_errors(target, features, weight, message):
    with pytest.raises(DataError, match=message) as caught:
        Roles(target, weight).features(SCHEMA, "data.parquet", features)
    assert str(caught.value).startswith("data.parquet: ")


def test_columns_of_the_same_name_are_refused():
    twice = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("a", pa.float64())])
    with pytest.raises(DataError, match="several columns are named 'a'; rename them"):
        Roles("b").features(twice, "f")


EVENTS = pa.schema(
    [
        ("x", pa.float32()),
        ("y", pa.int8()),
        ("who", pa.string()),
        ("query", pa.int64()),
        ("at", pa.timestamp("ms")),
    ]
)


def test_columns_of_any_role_are_no_features_unless_named():
    roles = Roles("y", None, "query", "at", "who")
    assert roles.features(EVENTS, "f") == ["x"]
    assert roles.features(EVENTS, "f", ["who", "at", "x"]) == ["who", "at", "x"]
    assert roles.named == {"target": "y", "group": "query", "time": "at", "entity": "who"}
    assert roles.learned_from == ("y",)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (Roles(group="qeury"), "there is no group column 'qeury'; did you mean 'query'"),
        (Roles(entity="whom"), "there is no entity column 'whom'; did you mean 'who'"),
        (Roles(time="who"), "time column 'who' is string; times are timestamps, dates or whole numbers"),
        (Roles("y", entity="y"), "column 'y' is given as both target and entity"),
        (Roles(weight="query", group="query"), "column 'query' is given as both weight and group"),
    ],
)
def test_bad_group_time_and_entity_are_clear_errors(roles, message):
    with pytest.raises(DataError, match=f"^f: {message}"):
        roles.features(EVENTS, "f")


def test_a_target_that_is_not_named_is_asked_for_in_one_wording(tmp_path):
    table = pa.table({"x": np.arange(40.0), "y": [0, 1] * 20})
    pq.write_table(table, tmp_path / "a.parquet")
    source = ParquetSource(tmp_path / "a.parquet", features=["x"])
    LogisticRegression().fit(ParquetSource(tmp_path / "a.parquet", "y")).save(tmp_path / "m")
    for work in (
        lambda: LogisticRegression().fit(source), lambda: Ridge().fit(source), lambda: LGBMClassifier().fit(source),
        lambda: evaluate_model(load_model(tmp_path / "m"), source, Threads(1)),
    ):  # fmt: skip
        with pytest.raises(
            UsageError, match=r"^no target column was named; pass target=COLUMN to the source, or y"
        ):
            work()


def test_the_entity_may_be_the_group():
    assert Roles("y", group="who", entity="who").features(EVENTS, "f") == ["x", "query", "at"]


def test_sources_carry_their_roles(tmp_path):
    table = pa.Table.from_pylist([{"x": 1.0, "y": 1, "who": "a", "query": 3, "at": 0}], EVENTS)
    pq.write_table(table, tmp_path / "rows.parquet")
    named = {"target": "y", "group": "query", "time": "at", "entity": "who"}
    for source in (TableSource(table, **named), ParquetSource(tmp_path, **named)):
        assert source.roles.named == named
        assert source.feature_names == ["x"]
        assert source.needed == ["x", "y"]
        assert (source.target, source.weight) == ("y", None)
        bare = pickle.loads(pickle.dumps(source)).without_target()
        assert bare.roles == Roles(group="query", time="at", entity="who")
        with pytest.raises(DataError, match="given as a feature and as target"):
            source.with_features(["x", "y"])


def test_excluded_columns_are_no_features(tmp_path):
    table = pa.table({"x": [1.0, 2.0, 3.0], "l": [[1]] * 3, "id": [7, 8, 9], "y": [1, 2, 4]})
    pq.write_table(table, tmp_path / "r.parquet")
    source = ParquetSource(tmp_path / "r.parquet", target="y", exclude=["l", "id"])
    assert source.feature_names == ["x"]
    with pytest.raises(DataError, match="no excluded column 'idd'; did you mean 'id'"):
        ParquetSource(tmp_path / "r.parquet", target="y", exclude=["idd"])
    with pytest.raises(UsageError, match="give one of them"):
        ParquetSource(tmp_path / "r.parquet", target="y", features=["x"], exclude=["l"])
    with pytest.raises(DataError, match="no feature columns are left"):
        ParquetSource(tmp_path / "r.parquet", target="y", exclude=["x", "l", "id"])
    out = tmp_path / "m.model"
    words = ["train", "linear", str(tmp_path / "r.parquet"), "--target", "y", "--exclude", "l,id", "--model"]
    assert run(build(), [*words, str(out), "--quiet"]) == 0
    assert load_model(out).needed == ["x"]


def test_a_wide_table_is_no_page_of_names():
    schema = pa.schema([(f"amount_{j}", pa.float64()) for j in range(5000)])
    with pytest.raises(DataError, match=r"its columns are amount_0, .*amount_23 and 4,976 more$"):
        Roles(target="zzzzzz").features(schema, "d")
