"""Sums over the workers of a fit: of integers, so that neither their number nor their order can be seen in a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh


class Peers:
    """The workers of a fit: this one, and others; none other without a mesh.

    Parameters
    ----------
    mesh : Mesh or None
        Connection to the other workers.
    """

    def __init__(self, mesh: Mesh | None = None) -> None:
        self._mesh = mesh
        self.worker = 0 if mesh is None else mesh.worker
        self.n_workers = 1 if mesh is None else mesh.n_workers

    def gather(self, payload: bytes) -> list[bytes]:
        """Return every worker's payload, all of one length, in worker order."""
        return [payload] if self._mesh is None else self._mesh.allgather(payload, alike=True)

    def total(self, array: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of all workers' arrays of one shape."""
        if self._mesh is None:
            return array
        parts = [np.frombuffer(part, np.int64) for part in self.gather(array.tobytes())]
        return np.asarray(np.sum(parts, axis=0).reshape(array.shape))

    def whole(self, number: int) -> int:
        """Return the sum of all workers' numbers, which may be of any size."""
        return sum(
            int.from_bytes(part, "little", signed=True)
            for part in self.gather(number.to_bytes(32, "little", signed=True))
        )

    def most(self, values: Sequence[float]) -> list[float]:
        """Return the largest of all workers' values, place by place; NaN where any is."""
        parts = [np.frombuffer(part) for part in self.gather(np.array(values, np.float64).tobytes())]
        return [float(value) for value in np.max(parts, axis=0)]

    def reduce(self, pool: NDArray[np.int64], which: Sequence[int], edges: Sequence[int]) -> None:
        """Add to this worker's bins of some histograms those of all others, in one exchange.

        Parameters
        ----------
        pool : int64 array (n_histograms, 3, n_bins)
            This worker's, of which bins that are others' are left as they were.
        which : sequence of int
            The histograms, each once, the same on all workers.
        edges : sequence of int
            Worker w has the bins [edges[w], edges[w + 1]).
        """
        if self._mesh is None:
            return
        low, high, chosen = edges[self.worker], edges[self.worker + 1], list(which)
        others = [w for w in range(self.n_workers) if w != self.worker]
        sends = {w: memoryview(pool[chosen, :, edges[w] : edges[w + 1]].tobytes()) for w in others}
        buffers = {w: bytearray(len(chosen) * 3 * (high - low) * 8) for w in others}
        self._mesh.exchange(sends, {w: memoryview(buffer) for w, buffer in buffers.items()})
        for buffer in buffers.values():
            received = np.frombuffer(buffer, np.int64).reshape(
                len(chosen), 3, high - low
            )  # of no bins, perhaps
            pool[chosen, :, low:high] += received
