import json

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.features.categories import category_codes
from scalable.features.state import State
from scalable.features.target_encoding.interactions import alone, interaction
from scalable.features.target_encoding.means import TargetSums
from scalable.features.target_encoding.pairs import Pair
from scalable.features.tree_encoder import TreeEncoder
from scalable.kernels.encode.target_means import N_FOLDS, folds_of


def codes(array, categories):
    out = np.empty(len(array), np.int32)
    return category_codes(array, categories, out, unknown=len(categories), missing=len(categories)).tolist()


def test_codes_tell_known_categories_from_all_others():
    array = pa.array(["b", None, "a", "new", "b"]).dictionary_encode()
    assert codes(array, ("a", "b")) == [1, 2, 0, 2, 1]
    assert codes(array.slice(1, 2), ("a", "b")) == [2, 0]
    nothing = pa.nulls(2, pa.dictionary(pa.int32(), pa.string()))
    assert codes(nothing, ("a",)) == [1, 1]


def reloaded(encoder):
    state = encoder.state()
    return TreeEncoder.from_state(State(json.loads(json.dumps(state.document)), state.arrays))


def encoded(classes=True):
    rng = np.random.default_rng(0)
    source = TableSource(pa.table({"a": ["x", "y", None, "new"], "b": ["q", None, "q", "r"]}))
    pair = Pair(("a", "b"), (("x", "y"), ("q", "r")))
    counts = rng.integers(1, 9, (pair.n_cells + 1, N_FOLDS)).astype(np.uint32)
    sums = rng.integers(0, 2, (*counts.shape, 1)).astype(np.uint32 if classes else np.float64)
    rates = TargetSums(counts, sums)
    levels = {"a": ["x", "y"], "b": ["q", "r"]}
    encoder = TreeEncoder.learn(source.schema, levels, sums={pair.name: rates}, pairs=[pair])
    return encoder, next(source.raw_blocks(source.shards[0])), rates


@pytest.mark.parametrize("classes", [True, False])
def test_a_pair_adds_the_mean_of_its_cell_after_all_columns(classes):
    encoder, raw, rates = encoded(classes)
    total, _ = rates.finish()
    cells = [0 * 3 + 0, 1 * 3 + 2, 2 * 3 + 0, 2 * 3 + 1]
    matrix = encoder.encode(raw).matrix
    np.testing.assert_array_equal(matrix[:, 2], total.table[cells, 0])
    assert encoder.n_columns == matrix.shape[1] == 3
    assert encoder.feature_names == ["a", "b", "a_x_b_mean"]
    assert encoder.categorical == [0, 1]
    assert encoder.needed == ["a", "b"]
    assert encoder.describe()[2].startswith("a x b: ")
    for other in (
        reloaded(encoder),
        encoder.with_labels(None),
    ):
        np.testing.assert_array_equal(other.encode(raw).matrix, matrix)


def test_training_rows_see_the_other_folds():
    encoder, raw, rates = encoded()
    _, others = rates.finish()
    folds = np.empty(4, np.int64)
    folds_of(0, folds)
    expected = others.table[[0, 5, 6, 7], folds]
    np.testing.assert_array_equal(encoder.encode_training(raw).matrix[:, 2], expected)
    alike = encoder.for_prediction().encode_training(raw).matrix
    np.testing.assert_array_equal(alike, encoder.encode(raw).matrix)


def cells(rng, effects, rows=400_000):
    shape = effects.shape
    share = rng.random(shape[0])[:, None] * rng.random(shape[1])
    counts = rng.poisson(rows * (share / share.sum()).ravel()[:, None] / 4, (share.size, 4))
    return counts, rng.binomial(counts, effects.ravel()[:, None]), shape


def test_effects_of_each_alone_are_no_interaction():
    rng = np.random.default_rng(1)
    first, second = np.exp(0.4 * rng.normal(size=(20, 1))), np.exp(0.4 * rng.normal(size=(1, 12)))
    reliability, share = interaction(*cells(rng, 0.02 * first * second))
    assert reliability * share < 0.05
    reliability, share = interaction(
        *cells(rng, 0.02 * first * second * np.exp(0.5 * rng.normal(size=(20, 12))))
    )
    assert reliability > 0.7
    assert share > 0.3


def test_numbers_of_any_sign_are_explained_by_sums():
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 30, (8, 5)).astype(float)
    means = rng.normal(size=(8, 1)) + rng.normal(size=(1, 5))
    np.testing.assert_allclose(alone(counts, counts * means), means, atol=1e-3)
    means = np.exp(means)
    product = np.exp(rng.normal(size=(8, 1))) * np.exp(rng.normal(size=(1, 5)))
    np.testing.assert_allclose(alone(counts, counts * product), product, rtol=1e-6)


def test_empty_cells_and_tables_are_no_trouble():
    nothing = np.zeros((6, 4), int)
    assert interaction(nothing, nothing, (2, 3)) == (0.0, 0.0)
    one = nothing.copy()
    one[2] = 5
    for sums in (one, one * 0, one * -1.5):
        reliability, share = interaction(one, sums, (2, 3))
        assert np.isfinite([reliability, share]).all()
