"""Where the blocks of a fill go: bins of our own that LightGBM then reads, or LightGBM's pushing of rows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.lightgbm_api import StreamedDataset
from scalable.boosting.dataset.own_bins import BinnedRows, loaded, trusted_layout

LEAST_ROWS = 100_000  # fewer are pushed sooner than a file is tried, written and read
ROOM = 1.1  # bytes that must be free on disk for each byte of the file


class Taker(Protocol):
    """Takes all rows of a dataset, in any order, from several threads."""

    def push(
        self,
        rows: NDArray[Any],
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        init_score: NDArray[np.float64] | None,
        *,
        start: int,
        pusher: int,
    ) -> None:
        """Take one block; arguments as for `StreamedDataset.push`, which is one."""


class Sink(Taker, Protocol):
    """Makes a dataset of the rows it takes."""

    def finish(self) -> lgb.Dataset:
        """Return the dataset."""


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a dataset is made with.

    Attributes
    ----------
    reference : bytes
        Serialised bins.
    params : mapping
        LightGBM's dataset parameters.
    names : tuple of str
        Feature names.
    n_rows : int
        Rows.
    weighted : bool
        Whether rows have weights.
    n_scores : int
        Raw scores per row.
    """

    reference: bytes
    params: Mapping[str, Any]
    names: tuple[str, ...]
    n_rows: int
    weighted: bool
    n_scores: int


@contextlib.contextmanager
def sink_for(
    spec: DatasetSpec, some_rows: Callable[[], NDArray[Any]], *, scored: bool, n_pushers: int
) -> Iterator[Sink]:
    """Yield the fastest sink that works here.

    Parameters
    ----------
    spec : DatasetSpec
        Of the dataset.
    some_rows : callable
        Returns encoded rows, with which the direct way is tried.
    scored : bool
        Whether rows bring initial scores.
    n_pushers : int
        Threads that will call `push`.
    """
    with contextlib.ExitStack() as stack:
        if spec.n_rows >= LEAST_ROWS:
            binned = None
            with contextlib.suppress(OSError):  # no place for temporary files, or a disk that is full already
                place = stack.enter_context(tempfile.TemporaryDirectory(prefix="scalable-bins-"))
                binned = _binned(spec, some_rows, place)
            if binned is not None:
                yield _Direct(spec, binned, place, scored=scored)
                return
        yield StreamedDataset(
            spec.reference,
            spec.n_rows,
            spec.params,
            spec.names,
            has_weight=spec.weighted,
            has_init_score=scored,
            n_scores=spec.n_scores,
            n_pushers=n_pushers,
        )


def _binned(spec: DatasetSpec, some_rows: Callable[[], NDArray[Any]], place: str) -> BinnedRows | None:
    disk = os.statvfs(place)
    if disk.f_bavail * disk.f_frsize < ROOM * spec.n_rows * (len(spec.names) + 8):
        return None
    layout = trusted_layout(
        spec.reference, spec.params, spec.names, some_rows(), weighted=spec.weighted, place=place
    )
    return None if layout is None else BinnedRows(layout, spec.n_rows, weighted=spec.weighted)


class _Direct:
    """Bins rows here and hands LightGBM the file."""

    def __init__(self, spec: DatasetSpec, binned: BinnedRows, place: str, *, scored: bool) -> None:
        self._params, self._binned, self._place = spec.params, binned, place
        self._scores = np.empty((spec.n_scores, spec.n_rows)) if scored else None

    def push(
        self,
        rows: NDArray[Any],
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        init_score: NDArray[np.float64] | None,
        *,
        start: int,
        pusher: int,
    ) -> None:
        """See `Sink.push`."""
        self._binned.put(rows, label, weight, start)
        if self._scores is not None:
            assert init_score is not None
            self._scores[:, start : start + len(rows)] = init_score

    def finish(self) -> lgb.Dataset:
        """See `Sink.finish`."""
        dataset = loaded(self._binned, self._params, self._place)
        if self._scores is not None:
            dataset.set_field("init_score", self._scores.ravel())
        return dataset
