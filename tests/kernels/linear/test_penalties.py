import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from scalable.kernels.jit import kernel
from scalable.kernels.linear import penalties


@kernel()
def apply(w, step, l1, l2):
    return penalties.prox(w, step, l1, l2), penalties.penalty_value(w, l1, l2)


numbers = st.floats(0.0, 5.0)


@given(st.floats(-10, 10), st.floats(0.01, 5.0), numbers, numbers)
def test_prox_minimises_what_it_says(w, step, l1, l2):
    got, value = apply(w, step, l1, l2)
    assert value == pytest.approx(l1 * abs(w) + l2 * w * w / 2)

    def goal(v):
        return (v - w) ** 2 / (2 * step) + l1 * abs(v) + l2 * v * v / 2

    found = minimize_scalar(goal, bounds=(-11, 11), method="bounded", options={"xatol": 1e-10})
    assert goal(got) <= found.fun + 1e-9


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), numbers)
def test_prox_never_flips_a_sign_or_grows(w, strength):
    got, _ = apply(w, 1.0, strength, strength)
    assert abs(got) <= abs(w)
    assert got * w >= 0.0


def test_names_give_shares():
    assert penalties.shares("l1", None) == (1.0, 0.0)
    assert penalties.shares(None, 0.3) == (0.0, 0.0)
    assert penalties.shares("elasticnet", 0.3) == (0.3, 0.7)
    assert np.isclose(sum(penalties.shares("elasticnet", None)), 1.0)
