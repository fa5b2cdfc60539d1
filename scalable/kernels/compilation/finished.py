"""Kernels as Python calls them: machine code, and on disk nothing but it.

Numba keeps the code of what it compiles a second time, to be linked into others, and reads it again with each kernel
that comes from the cache. What is linked into other kernels is another form of them (``linked.py``).
"""

from __future__ import annotations

import os
from typing import Any

from numba.core import caching
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompileResult
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from scalable.kernels.compilation.pipeline import KernelCompiler
from scalable.kernels.compilation.references import CountingLower

DATA = ".4"  # how the address of an array's values is called: the fifth of what an array consists of
_READ = {b"readonly", b"readnone"}
_WRAPPER = (
    "_ZN7cpython"  # how names of what Python calls begin: it takes arguments apart and calls the kernel
)


class KernelLibrary(JITCodeLibrary):
    """The code of a kernel and of what it calls."""

    def add_ir_module(self, ir_module: Any) -> None:
        """Do what Numba does, and take apart what is text by now: it would wait for the collector of garbage.

        Every instruction knows its block, which knows its instructions.
        """
        super().add_ir_module(ir_module)
        for function in ir_module.functions:
            for block in function.blocks:
                block.instructions.clear()
                block.terminator = None
            function.blocks.clear()

    def _optimize_functions(self, ll_module: Any) -> None:
        """Do what Numba does, but not for what is only declared: preparing passes takes longer than some of them."""
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration:
                passes, builder = self._codegen._function_pass_manager()
                passes.run(function, builder)


class FinishedLibrary(KernelLibrary):
    """The machine code of a kernel."""

    only_read: frozenset[tuple[str, str]] = (
        frozenset()
    )  # functions and those of their arrays that they never write to
    keep_portable = "SCALABLE_SHIP_KERNELS" in os.environ
    portable = b""  # its code before LLVM fits the whole of it to the processor, if that is kept

    def _optimize_functions(self, ll_module: Any) -> None:
        """Leave what takes Python's arguments apart as it is: a tenth of all compiling for 3 ns an array."""
        for function in ll_module.functions:
            if function.name.startswith(_WRAPPER) and not function.is_declaration:
                for attribute in ("noinline", "optnone"):
                    function.add_function_attribute(attribute)
        super()._optimize_functions(ll_module)

    def _optimize_final_module(self) -> None:
        if self.keep_portable:
            self.portable = self._final_module.as_bitcode()
        super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        super()._finalize_final_module()
        # Found by LLVM once all that is called has been linked in.
        self.only_read = frozenset(
            (function.name, each.name)
            for function in self._final_module.functions
            if not function.is_declaration
            for each in function.arguments
            if each.name.endswith(DATA) and _READ & set(b" ".join(each.attributes).split())
        )

    def serialize_using_object_code(self) -> Any:
        """Return what the cache keeps: machine code and the names that are defined in it."""
        self._ensure_finalized()
        module = self._final_module
        defined = [
            each.name
            for kind in (module.functions, module.global_variables)
            for each in kind
            if not each.is_declaration
        ]
        return self.name, self._get_compiled_object(), defined, self.only_read

    @classmethod
    def restored(cls, codegen: Any, kept: Any) -> FinishedLibrary:
        """Return the library that the cache has kept."""
        name, machine_code, defined, only_read = kept
        library = cls(codegen, name)
        library.enable_object_caching()
        library._set_compiled_object(machine_code)
        library._finalize_final_module()
        codegen._engine._defined_symbols.update(defined)
        library.only_read = only_read
        return library


@register_pass(mutates_CFG=True, analysis_only=False)
class _FinishedLowering(NativeLowering):
    """Numba's pass, but into a `FinishedLibrary`."""

    _name = "finished_lowering"
    lowering_class = CountingLower

    def run_pass(self, state: Any) -> bool:
        state.library = FinishedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


class FinishedCompiler(KernelCompiler):
    """The pipeline of what Python calls."""

    lowering = _FinishedLowering


class FinishedCacheImpl(caching.CompileResultCacheImpl):
    """Keeps such kernels on disk."""

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """Return a compiled kernel from what was kept of it."""
        return entered(target_context, rebuilt(target_context, payload, FinishedLibrary))


def entered(target_context: Any, result: Any) -> Any:
    """Return a result with the entry that Python calls."""
    entry = target_context.get_executable(result.library, result.fndesc, result.environment)
    for each in result.referenced_envs:
        result.library.codegen.set_env(each.env_name, each)
    return result._replace(entry_point=entry)


def rebuilt(target_context: Any, payload: Any, kind: Any) -> Any:
    """Return a result without an entry, its code as a library of a kind."""
    kept, fndesc, env, signature, objectmode, lifted, annotation, reload_init, environments = payload
    for function in reload_init:
        function()
    return CompileResult(
        target_context=target_context,
        typing_context=target_context.typing_context,
        library=kind.restored(target_context.codegen(), kept),
        environment=env,
        entry_point=None,
        fndesc=fndesc,
        type_annotation=annotation,
        signature=signature,
        objectmode=objectmode,
        lifted=lifted,
        typing_error=None,
        call_helper=None,
        metadata=None,
        reload_init=reload_init,
        referenced_envs=environments,  # kept alive by this
    )
