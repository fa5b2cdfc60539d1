"""Stochastic rounding: right on average, the same for a row wherever it lies, never beyond the packing."""

import numpy as np
import pytest

from scalable.kernels.histogram.objectives import GIVEN, L2, OBJECTIVE, extremes
from scalable.kernels.histogram.packing import Packing, unpacked
from scalable.kernels.histogram.rounding import draw, quantise

BLOCK_ROWS = 4096
NONE, EVERYONE, ALL = np.empty(0, np.float32), np.empty(0, np.uint8), np.full(2, np.inf)


def rounded(gradient, hessian, first_rows, key=5, scales=(256.0, 128.0), bits=11):
    packing = Packing.of(bits, constant_hessian=False)
    objective = np.zeros(1, OBJECTIVE)
    objective["code"] = GIVEN
    given = np.stack([gradient, hessian]).astype(np.float32)
    n = len(gradient)
    out = np.empty(n, np.int64)
    starts = np.minimum(np.arange(len(first_rows) + 1) * BLOCK_ROWS, n)
    rest = (starts, first_rows, np.uint64(key), *scales, packing.count_bits, packing.hessian_bits, out)
    quantise(objective, np.zeros(n), np.zeros(n, np.float32), NONE, EVERYONE, given, *rest)
    fields = [unpacked(value, packing.count_bits, packing.hessian_bits) for value in out]
    return np.array(fields).T


def test_every_value_is_rounded_to_a_neighbour_and_right_on_average():
    n = 3 * BLOCK_ROWS
    gradient, hessian = np.full(n, -0.3141), np.full(n, 0.2)
    g, h, count = rounded(gradient, hessian, np.arange(3) * BLOCK_ROWS)
    assert set(g) == {int(np.floor(-0.3141 * 256)), int(np.ceil(-0.3141 * 256))}
    assert set(h) == {25, 26}
    assert set(count) == {1}
    # The mean of n draws is within five standard errors, of which one is at most a half over the root of n.
    assert abs(g.mean() / 256 + 0.3141) < 5 * 0.5 / 256 / np.sqrt(n)
    assert abs(h.mean() / 128 - 0.2) < 5 * 0.5 / 128 / np.sqrt(n)
    assert abs(np.corrcoef(g, h)[0, 1]) < 5 / np.sqrt(n)


def test_a_row_is_rounded_alike_wherever_it_is_held():
    rng = np.random.default_rng(0)
    n = 4 * BLOCK_ROWS
    gradient, hessian = rng.normal(size=n), rng.random(n)
    whole = rounded(gradient, hessian, np.arange(4) * BLOCK_ROWS)
    order = [2, 0]
    rows = np.concatenate([np.arange(b * BLOCK_ROWS, (b + 1) * BLOCK_ROWS) for b in order])
    part = rounded(gradient[rows], hessian[rows], np.array(order) * BLOCK_ROWS)
    np.testing.assert_array_equal(part, whole[:, rows])
    assert (rounded(gradient, hessian, np.arange(4) * BLOCK_ROWS, key=6) != whole).any()


def test_the_largest_gradient_stays_within_the_packing():
    packing = Packing.of(11, constant_hessian=False)
    n = 1000
    g, h, _ = rounded(
        np.ones(n), np.ones(n), np.array([0]), scales=(packing.gradient_most, packing.hessian_most)
    )
    assert set(g) == {packing.gradient_most}
    assert set(h) == {packing.hessian_most}


def test_extremes_are_found_and_what_is_not_finite_is_told():
    objective = np.zeros(1, OBJECTIVE)
    objective["code"] = GIVEN
    score, label = np.zeros(700), np.zeros(700, np.float32)
    given = np.stack([np.linspace(-3, 2, 700), np.linspace(0, 0.5, 700)]).astype(np.float32)
    assert extremes(objective, score, label, NONE, EVERYONE, given, ALL) == (3.0, 0.5)
    for row, value in ((0, np.nan), (1, np.inf), (1, -1e-9)):
        wrong = given.copy()
        wrong[row, 650] = value
        assert np.isnan(extremes(objective, score, label, NONE, EVERYONE, wrong, ALL)[0])


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_and_amplified_rows_multiply(weighted):
    objective = np.zeros(1, OBJECTIVE)
    objective[0] = (L2, 0.0, 1.0, 1.0, 8.0)
    weight = np.full(300, 3, np.float32) if weighted else NONE
    sampled = np.zeros(300, np.uint8)
    sampled[7] = 2
    found = extremes(
        objective, np.full(300, 0.5), np.zeros(300, np.float32), weight, sampled, np.empty((2, 0), np.float32), ALL
    )  # fmt: skip
    assert found == ((12.0, 24.0) if weighted else (4.0, 8.0))


def test_bags_draw_their_share_of_either_label_and_depend_on_rows_alone():
    n = 8 * BLOCK_ROWS
    label = (np.arange(n) % 3 == 0).astype(np.float32)
    out, part = np.empty(n, np.uint8), np.empty(BLOCK_ROWS, np.uint8)
    limits = np.array([int(0.25 * 2**32), 2**32], np.uint64)
    draw(np.arange(9) * BLOCK_ROWS, np.arange(8) * BLOCK_ROWS, np.uint64(9), limits, label, out)
    assert out[label > 0].all()
    assert abs(out[label <= 0].mean() - 0.25) < 5 * 0.433 / np.sqrt((label <= 0).sum())
    draw(
        np.array([0, BLOCK_ROWS]),
        np.array([5 * BLOCK_ROWS]),
        np.uint64(9),
        limits,
        label[5 * BLOCK_ROWS :][:BLOCK_ROWS],
        part,
    )
    np.testing.assert_array_equal(part, out[5 * BLOCK_ROWS :][:BLOCK_ROWS])
