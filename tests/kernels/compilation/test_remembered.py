"""What is spared while kernels are compiled changes nothing of what comes out."""

import itertools
import operator

import numpy as np
import pytest
from numba import types
from numba.core.compiler import Flags
from numba.core.errors import TypingError
from numba.core.postproc import PostProcessor
from numba.core.registry import cpu_target

from scalable.kernels.compilation import remembered
from scalable.kernels.compilation.remembered import KernelFlags, sparing
from scalable.kernels.jit import kernel

NUMBERS = types.int8, types.int64, types.uint64, types.float32, types.float64, types.boolean, types.literal(3)


@pytest.mark.parametrize("called", [operator.add, operator.truediv, operator.lt, operator.and_, np.sqrt, abs])
def test_the_form_that_is_remembered_is_the_one_that_numba_finds(called):
    context = cpu_target.typing_context
    context.refresh()
    form = context.resolve_value_type(called)
    n = 1 if called in (np.sqrt, abs) else 2
    for args in itertools.product(NUMBERS, repeat=n):
        try:
            found = remembered._find(form, context, args, {})
        except TypingError:
            with pytest.raises(TypingError):
                remembered._remembered(form, context, args, {})
            continue
        key = form.get_impl_key(found)
        for _ in range(2):
            form._impl_keys.clear()  # as those of a form that was made anew
            assert remembered._remembered(form, context, args, {}) == found
            assert form.get_impl_key(found) is key


def test_numba_is_left_as_it_was():
    def add_one(x):
        return x + 1

    before = types.BaseFunction.get_call_type, PostProcessor.run
    assert kernel(cache=False)(add_one)(2) == 3
    with pytest.raises(TypingError):
        kernel(cache=False)(add_one)("two")
    with sparing(), sparing():
        assert types.BaseFunction.get_call_type is not before[0]
    assert (types.BaseFunction.get_call_type, PostProcessor.run) == before


def test_generators_are_compiled_as_before():
    def up_to(n):
        for i in range(n):
            yield i * i

    assert list(kernel(cache=False)(up_to)(4)) == [0, 1, 4, 9]


def test_flags_are_equal_to_those_that_say_the_same():
    plain = Flags()
    plain.nrt = True
    ours, other = KernelFlags(plain), KernelFlags(plain)
    assert ours == other == plain
    assert len({ours, other, plain, ours.copy()}) == 1
    other.fastmath = True
    assert ours != other
    assert KernelFlags(other) == other
