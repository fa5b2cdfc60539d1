"""Numba's passes over a kernel: those that a kernel can need, without the records that Numba keeps of each."""

from __future__ import annotations

from typing import Any

from numba.core import typed_passes, untyped_passes
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, _pass_registry

from scalable.kernels.compilation.remembered import KernelFlags, sparing
from scalable.kernels.compilation.written_in import WriteIn

# Kernels have no comprehensions and no functions within them, no literal_unroll, isinstance or `with`; nobody looks at
# types in their text.
_LEFT_OUT = {
    untyped_passes.WithLifting,
    untyped_passes.InlineClosureLikes,
    untyped_passes.MakeFunctionToJitFunction,
    untyped_passes.InlineInlinables,
    untyped_passes.FindLiterallyCalls,
    untyped_passes.LiteralUnroll,
    untyped_passes.LiteralPropagationSubPipelinePass,
    typed_passes.NoPythonSupportedFeatureValidation,
    typed_passes.AnnotateTypes,
    typed_passes.DumpParforDiagnostics,
}


class _Passes(PassManager):
    """Runs passes, without events, timers and checks between them."""

    def run(self, state: Any) -> None:
        """Run all passes."""
        with sparing():
            for kind, _ in self.passes:
                each = _pass_registry.get(kind).pass_inst
                each.analysis = self._analysis
                each.run_pass(state)


class KernelCompiler(CompilerBase):
    """The pipeline of kernels; how they are lowered differs."""

    lowering: Any

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.state.flags = KernelFlags(self.state.flags)

    def define_pipelines(self) -> list[Any]:
        """Return the one pipeline."""
        passes = _Passes("kernel")
        for each, said in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if each in _LEFT_OUT:
                continue
            passes.add_pass(self.lowering if each is typed_passes.NativeLowering else each, said)
            if each is untyped_passes.IRProcessing:
                passes.add_pass(WriteIn, "write in small functions")
        passes.finalize()
        return [passes]
