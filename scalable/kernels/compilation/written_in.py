"""Small functions of Python and NumPy, written into the kernels that call them.

To Numba ``max`` and ``np.empty`` are Python functions like any other: it compiles each to machine code of its own, for
each choice of types, in every process that compiles. Here their instructions are put where the call stands.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils, ir
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin


def largest(*numbers: Any) -> Any:
    """Return ``max`` of two numbers or more."""
    return max(numbers)


def smallest(*numbers: Any) -> Any:
    """Return ``min`` of two numbers or more."""
    return min(numbers)


def whole(number: Any) -> Any:
    """Return ``int`` of a number."""
    return int(number)


def empty(shape: Any, dtype: Any = np.float64) -> Any:
    """Return ``np.empty``."""
    return np.empty(shape, dtype)


def zeros(shape: Any, dtype: Any = np.float64) -> Any:
    """Return ``np.zeros``."""
    return np.zeros(shape, dtype)


_MANY = 2**8
_FORMS = (  # what is called, what stands for it, with how many arguments
    (max, largest, range(2, _MANY)),
    (min, smallest, range(2, _MANY)),
    (int, whole, range(1, 2)),
    (np.empty, empty, range(1, 3)),
    (np.zeros, zeros, range(1, 3)),
)


@infer_global(largest)
@infer_global(smallest)
class _OfNumbers(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if not all(isinstance(each, types.Number) for each in args):
            return None
        found = self.context.unify_types(*args)
        return None if found is None else signature(found, *args)


@infer_global(whole)
class _OfNumber(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        (given,) = args
        if not isinstance(given, (types.Integer, types.Boolean, types.Float)):
            return None
        return signature(given if isinstance(given, types.Integer) else types.intp, given)


@infer_global(empty)
@infer_global(zeros)
class _OfShape(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        from numba.core.typing.npydecl import parse_dtype, parse_shape  # only compilation needs it

        kind = parse_dtype(args[1]) if len(args) > 1 else types.float64
        n = parse_shape(args[0])
        return None if kind is None or n is None else signature(types.Array(kind, n, "C"), *args)


def _lower_choice(compare: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.cpython.builtins import do_minmax

        return do_minmax(context, builder, signature.args, args, compare)

    return lower


def _lower_whole(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.cast(builder, args[0], signature.args[0], signature.return_type)


def _lower_array(cleared: bool) -> Any:
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.np.arrayobj import _parse_shape, get_itemsize, make_array, populate_array

        kind = signature.return_type
        shape = _parse_shape(context, builder, signature.args[0], args[0])
        strides = [context.get_constant(types.intp, get_itemsize(context, kind))]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        size, too_large = strides[-1], llvm.Constant(llvm.IntType(1), 0)
        for length in shape:
            product = builder.smul_with_overflow(size, length)
            size = builder.extract_value(product, 0)
            too_large = builder.or_(too_large, builder.extract_value(product, 1))
        with builder.if_then(too_large, likely=False):
            context.call_conv.return_user_exc(builder, ValueError, ("array is too big",))
        align = context.get_preferred_array_alignment(kind.dtype)
        memory = context.nrt.meminfo_alloc_aligned(builder, size, align)
        data = context.nrt.meminfo_data(builder, memory)
        if cleared:
            cgutils.memset(builder, data, size, 0)
        word = context.get_value_type(types.intp)
        array = make_array(kind)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer()),
            shape=cgutils.pack_array(builder, shape, ty=word),
            strides=cgutils.pack_array(builder, strides, ty=word),
            itemsize=context.get_constant(types.intp, get_itemsize(context, kind)),
            meminfo=memory,
        )
        return array._getvalue()

    return lower


for _form, _lower in (
    (largest, _lower_choice(operator.gt)),
    (smallest, _lower_choice(operator.lt)),
    (whole, _lower_whole),
    (empty, _lower_array(False)),
    (zeros, _lower_array(True)),
):
    lower_builtin(_form, types.VarArg(types.Any))(_lower)


@register_pass(mutates_CFG=False, analysis_only=False)
class WriteIn(FunctionPass):
    """Puts our forms where a kernel calls what they stand for."""

    _name = "write_in"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Return whether anything was replaced."""
        code = state.func_ir
        assigned = [each for block in code.blocks.values() for each in block.find_insts(ir.Assign)]
        forms: dict[str, Any] = {}
        for call in (each.value for each in assigned):
            if not isinstance(call, ir.Expr) or call.op != "call" or call.kws or call.vararg is not None:
                continue
            called = _meant(code, call.func)
            for plain, form, counts in _FORMS:
                if called is plain and len(call.args) in counts:
                    forms[call.func.name] = form
        for each in assigned:
            if each.target.name in forms:
                form = forms[each.target.name]
                each.value = ir.Global(form.__name__, form, each.loc)
                code._definitions[each.target.name] = [each.value]
        return bool(forms)


def _meant(code: Any, variable: Any) -> Any:
    """Return the object that a variable always is, if it is a global's or a module's."""
    try:
        found = code.get_definition(variable)
    except KeyError:
        return None
    if isinstance(found, (ir.Global, ir.FreeVar)):
        return found.value
    if isinstance(found, ir.Expr) and found.op == "getattr":
        module = _meant(code, found.value)
        return getattr(module, found.attr, None) if isinstance(module, ModuleType) else None
    return None
