"""LightGBM's two collectives over a `Mesh`, as the C callbacks of ``LGBM_NetworkInitWithFunctions``.

The callbacks have the signatures of `LightGBM/meta.h`. They are called in the middle of C++ code that a Python
exception must not cross, so a failure is handed to `give_up`, which must not return.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

from lightgbm.basic import _LIB, _c_str, _safe_call

from scalable.boosting.comm.mesh import Mesh

_SIZES = ctypes.POINTER(ctypes.c_int32)
_REDUCER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int32)
_REDUCE_SCATTER = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, _SIZES, _SIZES, ctypes.c_int,
    ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p,
)  # fmt: skip
_ALLGATHER = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int32, _SIZES, _SIZES, ctypes.c_int, ctypes.c_void_p, ctypes.c_int32
)


def _view(address: int, n: int) -> memoryview:
    return memoryview((ctypes.c_char * n).from_address(address)).cast("B") if n else memoryview(b"")


class Collectives:
    """Installs a mesh as the network of the calling thread; keep it alive while training.

    Parameters
    ----------
    mesh : Mesh
        Connected to all workers.
    give_up : callable
        Called with the exception when a collective fails; ends the process.
    initial : sequence of float
        Starting scores of all rows. LightGBM's first exchange of one number is the mean of the workers'
        own starting scores; these take its place.
    """

    def __init__(
        self, mesh: Mesh, give_up: Callable[[BaseException], None], initial: Sequence[float] = ()
    ) -> None:
        self._mesh = mesh
        self._initial = list(initial)
        self._give_up = give_up
        self._scratch = bytearray()
        self._callbacks = (_REDUCE_SCATTER(self._reduce_scatter), _ALLGATHER(self._allgather))
        # Parsing any parameters sets this thread's log level; "Local rank: ..." is noise otherwise.
        _safe_call(_LIB.LGBM_DatasetUpdateParamChecking(_c_str("verbosity=-1"), _c_str("verbosity=-1")))
        _safe_call(
            _LIB.LGBM_NetworkInitWithFunctions(
                ctypes.c_int(mesh.n_workers),
                ctypes.c_int(mesh.worker),
                ctypes.cast(self._callbacks[0], ctypes.c_void_p),
                ctypes.cast(self._callbacks[1], ctypes.c_void_p),
            )
        )

    def close(self) -> None:
        """Return the calling thread to single-process training."""
        _safe_call(_LIB.LGBM_NetworkFree())

    def _reduce_scatter(
        self, source: int, _size: int, type_size: int, starts: Any, lengths: Any, n: int,
        target: int, _room: int, reducer: int,
    ) -> None:  # fmt: skip
        """Leave this worker's block, summed over all workers in worker order, at the start of `target`."""
        try:
            mesh = self._mesh
            own = lengths[mesh.worker]
            if len(self._scratch) < own * n:
                self._scratch = bytearray(own * n)
            scratch = memoryview(self._scratch)
            others = [r for r in range(n) if r != mesh.worker]
            mesh.exchange(
                {r: _view(source + starts[r], lengths[r]) for r in others},
                {r: scratch[r * own : (r + 1) * own] for r in others},
            )
            if not own:
                return
            scratch[mesh.worker * own : (mesh.worker + 1) * own] = _view(source + starts[mesh.worker], own)
            # `const ReduceFunction&` arrives as the address of a function pointer.
            reduce = _REDUCER(ctypes.c_void_p.from_address(reducer).value or 0)
            _view(target, own)[:] = scratch[:own]
            base = ctypes.addressof((ctypes.c_char * len(self._scratch)).from_buffer(self._scratch))
            for r in range(1, n):
                reduce(base + r * own, target, type_size, own)
        except BaseException as error:
            self._give_up(error)

    def _allgather(
        self, source: int, size: int, starts: Any, lengths: Any, n: int, target: int, _room: int
    ) -> None:
        """Place every worker's block at its start in `target`; `source` may lie inside it."""
        try:
            mesh = self._mesh
            others = [r for r in range(n) if r != mesh.worker]
            mine = bytes(_view(source, size))
            if self._initial and size == 8 and n * 8 == _room:
                mine = struct.pack("<d", self._initial.pop(0))
            _view(target + starts[mesh.worker], size)[:] = mine
            payload = memoryview(mine)
            mesh.exchange(
                dict.fromkeys(others, payload),
                {r: _view(target + starts[r], lengths[r]) for r in others},
            )
        except BaseException as error:
            self._give_up(error)
