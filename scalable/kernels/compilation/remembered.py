"""What Numba does again and again while it compiles, done once: a sixth of the time that kernels take to compile.

An operator such as ``+`` has dozens of forms, for numbers, dates, strings, lists and more. Numba tries one after the
other wherever a kernel says ``a + b``, several times while it infers types and once more when it writes code; the
answer depends on the types alone. After every pass it asks which variables live where blocks begin, for generators and
for code that runs by Python's objects. What flags say together, a part of many keys, it gathers at each look-up. And
LLVM reads a module to say how large one type is, for each variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba.core import types
from numba.core.base import BaseContext
from numba.core.compiler import Flags
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.transforms import canonicalize_cfg

TRIED = ((0, 68),)  # versions of Numba; another one does all of it, in case it keeps its answers elsewhere
_known: dict[Any, tuple[Any, Any]] = {}
_sizes: dict[str, int] = {}  # of LLVM's types, on the one target that kernels are compiled for
_find = types.BaseFunction.get_call_type
_process = PostProcessor.run
_measure = BaseContext.get_abi_sizeof


@contextmanager
def sparing() -> Iterator[None]:
    """Spare Numba what it does again and again while the body compiles; Numba's lock is held meanwhile."""
    if numba.version_info.short not in TRIED or types.BaseFunction.get_call_type is _remembered:
        yield  # plainly, or within: a kernel that is compiled for another one
        return
    _put(_remembered, _processed, _measured)
    try:
        yield
    finally:
        _put(_find, _process, _measure)


def _put(find: Any, process: Any, measure: Any) -> None:
    kind: Any = types.BaseFunction
    kind.get_call_type, PostProcessor.run, BaseContext.get_abi_sizeof = find, process, measure


def _remembered(function: Any, context: Any, args: Any, kws: Any) -> Any:
    """Return the signature of a call, looked up where these types were given before."""
    if kws:
        return _find(function, context, args, kws)
    # By the numbers that Numba gives types, one for equal ones. A function with more forms is another one.
    key = function._code, *[each._code for each in args]
    known = _known.get(key)
    if known is None:
        signature = _find(function, context, args, kws)
        code = function.get_impl_key(signature)
        if code is function.typing_key:  # written out by Numba itself, not compiled for the flags of a kernel
            _known[key] = signature, code
        return signature
    signature, code = known
    function._impl_keys[signature.args] = code
    return signature


def _processed(post: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Do what Numba does after every pass, without the variables that live where blocks begin.

    Those are for generators and for what runs by Python's objects.
    """
    code = post.func_ir
    if code.is_generator:
        _process(post, emit_dels, extend_lifetimes)
        return
    code.blocks = canonicalize_cfg(code.blocks)
    code.variable_lifetime = VariableLifetime(code.blocks)
    code.generator_info = None
    if emit_dels:
        post._insert_var_dels(extend_lifetimes=extend_lifetimes)


def _measured(context: Any, kind: Any) -> Any:
    """Return the bytes of a type of LLVM, looked up where it was asked for before."""
    text = str(kind)
    if text not in _sizes:
        _sizes[text] = _measure(context, kind)
    return _sizes[text]


class KernelFlags(Flags):
    """Numba's flags of a kernel, which are part of many keys: what they say together is computed once."""

    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = super().__hash__()
            return self._number

    def __eq__(self, other: object) -> Any:
        if self is other or (isinstance(other, KernelFlags) and self._values == other._values):
            return True
        return super().__eq__(other)
