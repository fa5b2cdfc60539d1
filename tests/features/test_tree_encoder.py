import base64
import datetime
import json
import re
import zlib

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.block import RawBlock
from scalable.data.table import TableSource
from scalable.errors import DataError, ModelError
from scalable.features.state import State
from scalable.features.target import Labels
from scalable.features.target_encoding.means import TargetSums
from scalable.features.tree_encoder import TreeEncoder
from scalable.kernels.encode.target_means import N_FOLDS


def reloaded(encoder):
    state = encoder.state()
    return TreeEncoder.from_state(State(json.loads(json.dumps(state.document)), state.arrays))


def block(columns):
    source = TableSource(pa.table(columns))
    return source.schema, next(source.raw_blocks(source.shards[0]))


MIXED = {
    "flag": pa.array([True, None, False]),
    "small": pa.array([1, 2, None], pa.int16()),
    "big": pa.array([2**53, -5, 7], pa.int64()),
    "x": pa.array([1.5, None, float("nan")], pa.float32()),
    "when": pa.array([datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 11)]),
    "kind": pa.array(["b", None, "unseen"]),
}


def test_every_kind_of_column_becomes_numbers():
    schema, raw = block(MIXED)
    encoder = TreeEncoder.learn(schema, {"kind": ["a", "b"]})
    rows = encoder.encode(raw)
    nan = np.nan
    expected = [[1, 1, 2**53, 1.5, 1, 1], [nan, 2, -5, nan, nan, nan], [0, nan, 7, nan, 10, nan]]
    np.testing.assert_array_equal(rows.matrix, np.array(expected, np.float64))
    assert rows.matrix.flags.c_contiguous
    assert rows.label is None
    assert rows.weight is None
    assert encoder.categorical == [5]
    assert len(encoder.describe()) == 6
    assert encoder.needed == list(MIXED)


@pytest.mark.parametrize(
    ("role", "said"), [("label", "target column 't' is 1e+60"), ("weight", "weight column 't' is 1e+60")]
)
def test_targets_and_weights_beyond_float32_are_refused_by_row(role, said):
    schema, raw = block({"a": [1.0, 2.0], "t": [1.0, 1e60]})
    roles = {"labels": Labels("t")} if role == "label" else {"weight": "t"}
    encoder = TreeEncoder.learn(pa.schema([schema.field("a")]), {}, **roles)
    with pytest.raises(DataError, match=rf"row 1: {re.escape(said)}, beyond"):
        encoder.encode(raw)


def test_narrow_columns_stay_float32_and_wide_ones_do_not():
    schema, raw = block({"a": pa.array([0.1], pa.float32()), "b": pa.array([True])})
    assert TreeEncoder.learn(schema, {}).encode(raw).matrix.dtype == np.float32
    schema, raw = block({"a": pa.array([0.1], pa.float64())})
    assert TreeEncoder.learn(schema, {}).encode(raw).matrix.dtype == np.float64


@pytest.mark.parametrize(
    ("classes", "values", "expected"),
    [
        (("no", "yes"), pa.array(["yes", "no", "yes"]), [1, 0, 1]),
        ((False, True), pa.array([True, False, True]), [1, 0, 1]),
        ((-1, 1, 4), pa.array([4, -1, 1]), [2, 0, 1]),
        ((0.5, 1.5), pa.array([1.5, 0.5, 0.5]), [1, 0, 0]),
        (None, pa.array([1.25, -3, 0]), [1.25, -3, 0]),
    ],
)
def test_labels_of_any_type(classes, values, expected):
    schema, raw = block({"x": pa.array([1.0, 2.0, 3.0]), "y": values})
    labels = Labels("y", classes)
    encoder = TreeEncoder.learn(pa.schema([schema.field("x")]), {}, labels)
    assert encoder.encode(raw).label.tolist() == expected
    again = reloaded(encoder)
    assert again.labels == labels
    if classes is not None:
        assert labels.decode(np.array(expected)).tolist() == values.to_pylist()


@pytest.mark.parametrize(
    ("classes", "values", "message"),
    [
        (("no", "yes"), pa.array(["yes", "maybe"]), "holds 'maybe'"),
        (("no", "yes"), pa.array(["yes", None]), "row 1: target column 'y' is null"),
        ((0, 1), pa.array([1, 2]), "holds 2"),
        (None, pa.array([1.0, float("inf")]), "row 1: target column 'y' is inf"),
        (None, pa.array(["a", "b"]), "text"),
    ],
)
def test_bad_labels_are_named(classes, values, message):
    schema, raw = block({"x": pa.array([1.0, 2.0]), "y": values})
    encoder = TreeEncoder.learn(pa.schema([schema.field("x")]), {}, Labels("y", classes))
    with pytest.raises(DataError, match=message):
        encoder.encode(raw)


def test_weights_must_be_weights():
    schema, raw = block({"x": pa.array([1.0, 2.0]), "w": pa.array([1.0, -2.0])})
    encoder = TreeEncoder.learn(pa.schema([schema.field("x")]), {}, weight="w")
    with pytest.raises(DataError, match="negative"):
        encoder.encode(raw)


def test_names_are_made_legal_and_unique():
    schema, _ = block({"a b": [1.0], "a_b": [2.0], "größe:[m]": [3.0]})
    assert TreeEncoder.learn(schema, {}).feature_names == ["a_b", "a_b_2", "größe__m_"]


def some_rates(n_slots=2**16, n_means=1):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, (n_slots + 1, N_FOLDS)).astype(np.uint32)
    sums = rng.integers(0, 2, (n_slots + 1, N_FOLDS, n_means)).astype(np.uint32)
    return TargetSums(counts, np.minimum(sums, counts[..., None]))


def test_rates_survive_json_and_widen_the_matrix():
    schema, raw = block({"x": [1.0, 2.0, 3.0], "id": ["a", None, "never"], "z": ["q", "q", "r"]})
    encoder = TreeEncoder.learn(schema, {"id": None, "z": ["q", "r"]}, sums={"id": some_rates()})
    assert encoder.n_columns == 4 == len(encoder.feature_names)
    assert encoder.categorical == [3]
    again = reloaded(encoder)
    np.testing.assert_array_equal(again.encode(raw).matrix, encoder.encode(raw).matrix)
    assert np.isnan(encoder.encode(raw).matrix[1, 1:3]).all()
    trained = encoder.encode_training(raw).matrix
    assert not np.array_equal(trained[:, 1], encoder.encode(raw).matrix[:, 1])
    np.testing.assert_array_equal(
        encoder.for_prediction().encode_training(raw).matrix, encoder.encode(raw).matrix
    )
    assert again.describe() == encoder.describe()


@pytest.mark.parametrize("n_means", [0, 1, 3])
def test_an_identifier_becomes_means_and_a_share_beside_float32_columns(n_means):
    schema, raw = block(
        {"user_id": pa.array([3, None, -7, 2**62], pa.int64()), "x": pa.array([1.0] * 4, pa.float32())}
    )
    encoder = TreeEncoder.learn(schema, {}, sums={"user_id": some_rates(n_means=n_means)})
    matrix = encoder.encode(raw).matrix
    assert matrix.shape == (4, n_means + 2)
    assert matrix.dtype == np.float32
    assert np.isnan(matrix[1, :-1]).all()
    assert np.isfinite(np.delete(matrix, 1, 0)).all()
    assert "identifier" in encoder.describe()[0]
    again = reloaded(encoder)
    np.testing.assert_array_equal(again.encode(raw).matrix, matrix)


def packed(array):
    return base64.b64encode(zlib.compress(array.astype("<f8").tobytes())).decode()


def test_models_from_before_identifiers_predict_what_they_did():
    rng = np.random.default_rng(1)
    means, shares = rng.random((1, 2**16)), rng.random(2**16)
    rates = {"prior": [0.25], "means": packed(means), "shares": packed(shares)}
    column = {"name": "id", "type": "string", "kind": "text", "levels": None, "rates": rates}
    encoder = TreeEncoder.from_state(State({"columns": [column], "labels": None, "weight": None}))
    for _ in range(2):
        _, raw = block({"id": ["a", None, "größe"]})
        slots = [zlib.crc32(text.encode()) % 2**16 for text in ("a", "größe")]
        expected = np.column_stack([means[0], shares])[slots]
        np.testing.assert_array_equal(encoder.encode(raw).matrix[[0, 2]], expected)
        assert np.isnan(encoder.encode(raw).matrix[1]).all()
        encoder = reloaded(encoder)


def test_a_column_that_changed_its_kind_is_refused():
    schema, _ = block({"x": [1.0]})
    encoder = TreeEncoder.learn(schema, {})
    text = RawBlock({"x": pa.array(["a"]).dictionary_encode()}, 0, 1)
    with pytest.raises(DataError, match="training schema"):
        encoder.encode(text)


def test_damaged_json_is_a_model_error():
    with pytest.raises(ModelError, match="damaged"):
        TreeEncoder.from_state(State({"columns": [{"name": "x"}]}))


def test_a_text_column_without_any_value_is_missing_text():
    schema, raw = block(MIXED)
    encoder = TreeEncoder.learn(schema, {"kind": ["a", "b"]})
    _, empty = block({**MIXED, "kind": pa.nulls(3)})
    assert np.isnan(encoder.encode(empty).matrix[:, 5]).all()
    np.testing.assert_array_equal(encoder.encode(empty).matrix[:, :5], encoder.encode(raw).matrix[:, :5])
