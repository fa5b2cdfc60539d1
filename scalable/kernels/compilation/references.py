"""Which arrays of a kernel need someone to count who holds them: few do, and the others compile in less time.

Numba counts at every name an array gets, each field of a tuple of thirty arrays included, so that the last holder gives
the memory back; LLVM then takes most of that out again. What a kernel is given, its caller holds for as long as it
runs, and a view of that is held with it. Only what may have been made in the kernel is counted here.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.core import ir
from numba.core.lowering import Lower

BORROWING: set[Any] = {numba.carray}  # functions whose arrays are held by somebody else
_METHODS = {
    "array.reshape"
}  # of arrays; they are written into the kernel (`view` is compiled apart, and counts)
_VIEWS = {
    "getattr",
    "cast",
    "build_tuple",
    "exhaust_iter",
    "pair_first",
    "pair_second",
    "getiter",
    "iternext",
    "phi",
}
_ITEMS = {"getitem", "static_getitem", "typed_getitem"}
_SIMPLE = (ir.Jump, ir.Branch, ir.Return, ir.Del, ir.StaticRaise)


class CountingLower(Lower):
    """Writes a kernel's code as Numba does, and counts references to what it may have made alone."""

    def __init__(self, context: Any, library: Any, fndesc: Any, func_ir: Any, metadata: Any = None) -> None:
        super().__init__(context, library, fndesc, func_ir, metadata)
        self._held: dict[Any, bool] = {}
        self._made = self._find_made()
        self._plain = context.subtarget(enable_nrt=False)
        if not self._made and all(map(self._is_simple, self._instructions())):
            self.context = self._plain

    def lower_inst(self, inst: Any) -> None:
        """Write an instruction; counting only where its result may be of the kernel's making."""
        if isinstance(inst, ir.Assign):
            name = inst.target.name
        elif isinstance(inst, ir.Del):
            name = inst.value
        else:
            super().lower_inst(inst)
            return
        context = self.context
        if name not in self._made and self._holds(name):
            self.context = self._plain
        try:
            super().lower_inst(inst)
        finally:
            self.context = context

    def create_cpython_wrapper(self, release_gil: bool = False) -> None:
        """Write what Python calls: the caller's arrays are not counted, unless one may be returned."""
        context = self.context
        if all(map(self._is_lent, self.fndesc.argtypes)) and not self._is_holder(self.fndesc.restype):
            self.context = self._plain
        super().create_cpython_wrapper(release_gil)
        self.context = context

    def _instructions(self) -> Any:
        return (each for block in self.blocks.values() for each in block.body)

    def _find_made(self) -> set[str]:
        """Return the names of what may be an array made here, or hold one."""
        assigned = [each for each in self._instructions() if isinstance(each, ir.Assign)]
        assigned = [each for each in assigned if self._holds(each.target.name)]
        made = {each.target.name for each in assigned if not self._is_view(each.value)}
        # What is returned passes on to the caller, who gives it back.
        made |= {each.value.name for each in self._instructions() if isinstance(each, ir.Return)}
        while True:
            more = {each.target.name for each in assigned if self._parts(each.value) & made} - made
            if not more:
                return {name for name in made if self._holds(name)}
            made |= more

    def _parts(self, value: Any) -> set[str]:
        if isinstance(value, ir.Var):
            return {value.name}
        return {each.name for each in value.list_vars()} if isinstance(value, ir.Expr) else set()

    def _holds(self, name: str) -> bool:
        return self._is_holder(self.typeof(name))

    def _is_holder(self, kind: Any) -> bool:
        if kind not in self._held:
            self._held[kind] = self.context.data_model_manager[kind].contains_nrt_meminfo()
        return self._held[kind]

    def _is_lent(self, kind: Any) -> bool:
        """Return whether what Python gives needs no counting: numbers, arrays, tuples of them."""
        if isinstance(kind, types.BaseTuple):
            return all(map(self._is_lent, kind))
        return isinstance(kind, types.Array) or not self._is_holder(kind)

    def _is_view(self, value: Any) -> bool:
        if not isinstance(value, ir.Expr):
            return isinstance(value, (ir.Arg, ir.Var))
        if value.op == "call":
            called = self.typeof(value.func.name)
            if isinstance(called, types.BoundFunction):
                return called.typing_key in _METHODS
            if isinstance(called, types.Function):
                return called.typing_key in BORROWING
            return isinstance(called, types.NamedTupleClass)
        if value.op in _ITEMS:
            index = value.index_var if value.op == "static_getitem" else value.index
            return index is None or not self._picks(self.typeof(index.name))
        return value.op in _VIEWS

    def _picks(self, index: Any) -> bool:
        """Return whether an index copies single elements."""
        parts = index.types if isinstance(index, types.BaseTuple) else (index,)
        return any(isinstance(each, (types.Buffer, types.List)) for each in parts)

    def _is_simple(self, inst: Any) -> bool:
        """Return whether nothing is counted where an instruction's value is not."""
        if isinstance(inst, (ir.SetItem, ir.StaticSetItem, ir.SetAttr)):
            return not self._holds(inst.value.name)  # arrays that may overlap are copied first
        return isinstance(inst, (ir.Assign, *_SIMPLE))
