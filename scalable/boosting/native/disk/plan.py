"""Whether rows are kept in memory or on disk, what either needs, and what from disk cannot be done."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scalable.boosting.estimates import PROCESS_BYTES, MemoryEstimate
from scalable.boosting.native.disk.pieces import PIECE_ROWS, bytes_on_disk
from scalable.boosting.native.memory import HISTOGRAM_BYTES
from scalable.boosting.native.settings import Settings
from scalable.boosting.objectives import PERCENTILES, RANKING
from scalable.boosting.params import Params
from scalable.errors import PlanError, UsageError
from scalable.storage.sizes import size_of

BYTES_PER_ROW = 2.0  # the number of its node
# Histograms at once, in leaves: of nodes that are leaves or may become some, and sums on their way from each thread.
NODES = 3


@dataclass(frozen=True, slots=True)
class DiskEstimate(MemoryEstimate):
    """Predicted memory where rows lie on disk.

    Attributes
    ----------
    disk_bytes : int
        What pieces and scores take there.
    """

    disk_bytes: int = 0

    def __str__(self) -> str:
        memory = super(DiskEstimate, self).__str__()
        return f"{memory}, and {size_of(self.disk_bytes)} of binned rows on disk"


def from_disk(
    estimate: MemoryEstimate, room: int, params: Params, n_columns: int, *, weighted: bool, n_threads: int
) -> MemoryEstimate:
    """Return the estimate where rows fit into memory (`room` bytes, 0 when unknown), else that of keeping them on disk.

    Raises
    ------
    PlanError
        When they do not fit and what is asked for needs them there.
    """
    if not room or estimate.total <= room:
        return estimate
    if missing := _missing(params):
        raise PlanError(
            f"the rows do not fit into memory ({estimate}; there are {size_of(room)}), and with rows on disk "
            f'{", ".join(missing)} cannot be done; leave it out, or use boosting="rotate"'
        )
    values = params.values
    on_disk = bytes_on_disk(estimate.rows, values, n_columns, weighted=weighted)
    a_piece = PIECE_ROWS * (on_disk / max(1, estimate.rows) + 24)
    # While pieces are filled, each by columns and by rows, a thread and its neighbours have some open.
    filling = (
        (2 * n_threads + 2)
        * PIECE_ROWS
        * (2 * n_columns * (1 + (int(values.get("max_bin", 255)) > 255)) + 28)
    )
    bins = n_columns * (int(values.get("max_bin", 255)) + 1)
    growing = int(values.get("num_leaves", 31)) * (NODES + n_threads) * bins * HISTOGRAM_BYTES
    fixed = PROCESS_BYTES + int(max(filling, growing + 2 * n_threads * a_piece))
    return DiskEstimate(estimate.rows, BYTES_PER_ROW, fixed, on_disk)


def _missing(params: Params) -> list[str]:
    """Return what cannot be done with rows on disk."""
    settings, objective = Settings.of(params.values), params.objective
    asked = {
        "bagging": settings.bagging != (1.0, 1.0),
        "goss": bool(settings.goss),
        "feature_fraction_bynode": settings.feature_fraction_bynode < 1,
        "interaction_constraints": bool(settings.groups),
        "extra_trees": bool(settings.rules["extra_trees"][0]),
        f"objective={objective!r}": params.n_scores > 1
        or objective in (*PERCENTILES, *RANKING, "custom", "multiclassova"),
    }
    return [name for name, wanted in asked.items() if wanted]


@contextlib.contextmanager
def place_on_disk(estimate: MemoryEstimate, kept: str | None, client: Any) -> Iterator[str]:
    """Yield where binned rows are to be kept; an empty string where they stay in memory.

    Parameters
    ----------
    estimate : MemoryEstimate
        Of `from_disk`.
    kept : str or None
        Directory that the user named; without one it is one for the time of the fit.
    client : distributed.Client or None
        None where the worker is on this machine.

    Raises
    ------
    PlanError, UsageError
        When there is not room enough, or nobody can tell where.
    """
    if not isinstance(estimate, DiskEstimate):
        yield ""
        return
    if kept is None and client is not None:
        raise UsageError(
            "rows that do not fit into a worker's memory need cache=DIR, a directory of its local disk"
        )
    with contextlib.ExitStack() as stack:
        place = kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="scalable-rows-"))
        if client is None:
            os.makedirs(place, exist_ok=True)
            room = shutil.disk_usage(place).free
            if room < estimate.disk_bytes and not os.listdir(
                place
            ):  # with earlier pieces there, they are room too
                raise PlanError(
                    f"{place}: {size_of(estimate.disk_bytes)} of binned rows are to be kept there, and the disk "
                    f"has {size_of(room)}; name a directory with room by cache=DIR"
                )
        yield os.path.abspath(place)
