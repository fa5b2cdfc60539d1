"""Encoders as models of earlier versions hold them."""

import base64
import json
import zlib

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.errors import ModelError
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.state import FORMAT, State
from scalable.features.tree_encoder import TreeEncoder


def rows(**columns):
    source = TableSource(pa.table(columns))
    return next(source.raw_blocks(source.shards[0]))


def packed(table):
    planes = np.ascontiguousarray(table.T).reshape(-1).view(np.uint8).reshape(-1, table.itemsize).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes())).decode()


def test_tables_in_base64_become_arrays():
    table = np.random.default_rng(0).random((2**16, 2)).astype(np.float32)
    cells = table[:9]
    described = {"prior": [0.5], "strength": [3.0], "hash": "mix", "dtype": "<f4", "slots": 2**16}
    column = {"type": "string", "kind": "text", "rates": None}
    document = {
        "columns": [
            {**column, "name": "id", "levels": None, "rates": {**described, "table": packed(table)}},
            {**column, "name": "a", "levels": ["x", "y"]},
            {**column, "name": "b", "levels": ["q", "r"]},
        ],
        "pairs": [{"names": ["a", "b"], "rates": {**described, "slots": 9, "table": packed(cells)}}],
        "labels": {"column": "t", "classes": [0, 1]},
        "weight": None,
    }
    encoder = TreeEncoder.from_state(State(document))
    raw = rows(id=["one", None], a=["y", "new"], b=["q", "r"])
    matrix = encoder.encode(raw).matrix
    assert matrix[0, 0] in table[:, 0]
    assert np.isnan(matrix[1, :2]).all()
    np.testing.assert_array_equal(matrix[:, 2:4], [[1.0, 0.0], [np.nan, 1.0]])
    np.testing.assert_array_equal(matrix[:, 4], cells[[3, 7], 0])
    state = encoder.state()
    assert set(state.arrays) == {"means0", "pair0"}
    assert len(json.dumps(state.document)) < 2000
    again = TreeEncoder.from_state(State(json.loads(json.dumps(state.document)), state.arrays))
    np.testing.assert_array_equal(again.encode(raw).matrix, matrix)


def test_words_of_linear_columns_are_brought_up_to_date():
    column = {"arrow_type": "string", "kind": "text", "shares": [], "calendar": []}
    document = {
        "columns": [
            {**column, "name": "c", "action": "levels", "levels": ["a", "b"], "shares": [0.5, 0.5]},
            {**column, "name": "h", "action": "hash", "levels": []},
        ],
        "n_bins": 8,
        "labels": None,
        "weight": None,
        "dtype": "float32",
    }
    encoder = LinearEncoder.from_state(State(document))
    assert (encoder.n_known, encoder.n_buckets, encoder.n_indices) == (4, 8, 12)
    ids = encoder.encode(rows(c=["b", None, "new"], h=["u", "u", None])).ids
    assert ids[0].tolist() == [1, 3, 2]
    assert ids[1, 0] == ids[1, 1] >= 4
    assert encoder.describe() == [
        "c (string): one-hot, 2 categories",
        "h (string): hashed into 8 shared buckets ()",
    ]


def test_numbers_in_dictionaries_were_numbers():
    dictionary = "dictionary<values=int64, indices=int8, ordered=0>"
    column = {"name": "c", "type": dictionary, "kind": "integer", "levels": None, "rates": None}
    encoder = TreeEncoder.from_state(State({"columns": [column], "labels": None, "weight": None}))
    for values in (pa.array([7, None]).dictionary_encode(), pa.array([7, None]), pa.array([7.0, np.nan])):
        np.testing.assert_array_equal(encoder.encode(rows(c=values)).matrix[:, 0], [7.0, np.nan])


@pytest.mark.parametrize(
    "damage",
    [
        {"format": FORMAT + 1},
        {
            "columns": [
                {"name": "x", "arrow_type": "nothing", "kind": "float", "categories": None, "means": 1}
            ]
        },
        {"pairs": [{"names": ["x", "x"], "means": {"table": "none"}}]},
    ],
)
def test_what_contradicts_itself_is_refused(damage):
    schema = pa.schema([("x", pa.float32())])
    document = {**TreeEncoder.learn(schema, {}).state().document, **damage}
    with pytest.raises(ModelError, match="damaged"):
        TreeEncoder.from_state(State(document))


@pytest.mark.parametrize(
    "table", [np.zeros((4, 3), np.float32), np.zeros((4, 2), np.int32), np.zeros((0, 2))]
)
def test_tables_of_another_shape_are_refused(table):
    column = {"name": "id", "arrow_type": "string", "kind": "text", "categories": None}
    means = {"prior": [0.5], "strength": [], "hash": "mix", "table": "t"}
    document = {
        "format": FORMAT,
        "columns": [{**column, "means": means}],
        "pairs": [],
        "labels": None,
        "weight": None,
    }
    with pytest.raises(ModelError, match="damaged"):
        TreeEncoder.from_state(State(document, {"t": table}))
