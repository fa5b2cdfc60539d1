"""Kernels as other kernels call them: code to be linked in, of which nobody makes machine code by itself.

Numba optimises every function it compiles and makes machine code of it, and does both once more, with the same code in
it, for each function that calls it: six times for what is called six levels deep. Here only what Python calls is
finished; that is where LLVM inlines and optimises the rest.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from numba import _dynfunc
from numba.core import caching
from numba.core.compiler import _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.environment import lookup_environment
from numba.core.typed_passes import NativeLowering

from scalable.kernels.compilation.finished import KernelLibrary, rebuilt
from scalable.kernels.compilation.pipeline import KernelCompiler
from scalable.kernels.compilation.references import CountingLower

_ENVIRONMENT = "_ZN08NumbaEnv"  # how Numba's names of environments begin


class LinkedLibrary(KernelLibrary):
    """The code of one such kernel and of what it calls."""

    def _optimize_final_module(self) -> None:
        """Leave it to the kernel that this is linked into."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code to point to."""
        return 0

    def serialize_using_object_code(self) -> Any:
        """Return what the cache keeps: no object code, but what is to be linked in."""
        self._ensure_finalized()
        return self.name, self._final_module.as_bitcode()

    @classmethod
    def restored(cls, codegen: Any, kept: Any) -> LinkedLibrary:
        """Return the library that the cache has kept."""
        name, bitcode = kept
        library = cls(codegen, name)
        library._final_module = llvmlite.binding.parse_bitcode(bitcode)
        library._finalize_final_module()
        return library


@register_pass(mutates_CFG=True, analysis_only=False)
class _LinkedLowering(NativeLowering):
    """Numba's pass, but into a `LinkedLibrary`."""

    _name = "linked_lowering"
    lowering_class = CountingLower

    def run_pass(self, state: Any) -> bool:
        library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = True
        super().run_pass(state)
        done = state["cr"]
        key = _key(library, done.fndesc, done.env)
        state.targetctx.insert_user_function(key, done.fndesc, [library])
        state.reload_init.extend(library._reload_init)
        state["cr"] = _LowerResult(done.fndesc, done.call_helper, cfunc=key, env=done.env)
        return True


def _key(library: LinkedLibrary, fndesc: Any, env: Any) -> Any:
    """Return the object by which Numba finds the code; it cannot be called."""
    name = fndesc.qualname.split(".")[-1]
    return _dynfunc.make_function(fndesc.lookup_module(), name, "", 0, env, (library,))


class LinkedCompiler(KernelCompiler):
    """The pipeline of kernels with the other lowering."""

    lowering = _LinkedLowering


class LinkedCacheImpl(caching.CompileResultCacheImpl):
    """Keeps such kernels on disk."""

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """Return a compiled kernel from what was kept of it."""
        result = rebuilt(target_context, payload, LinkedLibrary)
        return result._replace(entry_point=_key(result.library, result.fndesc, result.environment))


def set_environments(library: Any) -> None:
    """Tell the machine code of a library where the environments of all that was linked into it are."""
    for variable in library._final_module.global_variables:
        if variable.name.startswith(_ENVIRONMENT):
            env = lookup_environment(variable.name)
            if env is not None:
                library.codegen.set_env(variable.name, env)
