import pyarrow as pa
import pytest

from scalable.data.columns import KINDS, check_roles, column_kind
from scalable.errors import DataError

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


@pytest.mark.parametrize(
    ("arrow_type", "kind"),
    [
        (pa.bool_(), "boolean"),
        (pa.int8(), "integer"),
        (pa.uint64(), "integer"),
        (pa.float16(), "float"),
        (pa.float64(), "float"),
        (pa.decimal128(10, 2), "float"),
        (pa.decimal256(50, 2), "float"),
        (pa.null(), "float"),
        (pa.timestamp("ns", "Europe/Rome"), "temporal"),
        (pa.date32(), "temporal"),
        (pa.time64("us"), "temporal"),
        (pa.duration("s"), "temporal"),
        (pa.string(), "text"),
        (pa.large_string(), "text"),
        (pa.string_view(), "text"),
        (pa.dictionary(pa.int8(), pa.string()), "text"),
        (pa.dictionary(pa.int32(), pa.int64()), "integer"),
        (pa.binary(), None),
        (pa.list_(pa.int64()), None),
        (pa.struct([("a", pa.int64())]), None),
        (pa.map_(pa.string(), pa.int64()), None),
        (pa.dictionary(pa.int8(), pa.binary()), None),
    ],
)
def test_kind_of_every_type(arrow_type, kind):
    assert column_kind(arrow_type) == kind
    assert kind is None or kind in KINDS


def test_features_are_all_columns_without_a_role():
    usable = SCHEMA.remove(5)
    assert check_roles(usable, "f", "label", None, "w") == ["amount", "age", "city"]
    assert check_roles(usable, "f", None, None, None) == ["amount", "age", "city", "label", "w"]
    assert check_roles(SCHEMA, "f", "label", ("city", "age"), None) == ["city", "age"]


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
            "column 'tags' is list.*cannot be learned from; leave it out by naming .*amount, age",
        ),
    ],
)
def test_bad_roles_are_clear_errors(target, features, weight, message):
    with pytest.raises(DataError, match=message) as caught:
        check_roles(SCHEMA, "data.parquet", target, features, weight)
    assert str(caught.value).startswith("data.parquet: ")


def test_columns_of_the_same_name_are_refused():
    twice = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("a", pa.float64())])
    with pytest.raises(DataError, match="several columns are named 'a'; rename them"):
        check_roles(twice, "f", "b", None, None)
