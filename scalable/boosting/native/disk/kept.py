"""The pieces of a worker's rows: read back from an earlier run where they are sound, else filled."""

from __future__ import annotations

from collections.abc import Callable

from scalable.boosting.dataset.fill import Scorer
from scalable.boosting.native.binned_fill import fill, stretches_of
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.disk.pieces import Pieces
from scalable.boosting.workers.job import WorkerJob


def pieces_of(
    job: WorkerJob, bins: Bins, scorer: Scorer | None, tell: Callable[[int], None]
) -> tuple[Pieces, str]:
    """Return the pieces, and a word on what was done.

    Parameters
    ----------
    job : WorkerJob
        Whose rows; ``job.disk`` is where pieces are kept.
    bins : Bins
        Of the features.
    scorer : callable, optional
        Gives every row the score that training goes on from; it needs the rows themselves, so that none are read back.
    tell : callable
        Called with the number of rows filled since the last call.
    """
    fingerprint = job.source.fingerprint().joined(
        encoder=job.encoder.state().digest, bins=job.reference, class_weight=job.encoder.class_weight
    )
    place, weighted = f"{job.disk}/rows-{job.worker}-of-{job.n_workers}", job.encoder.weighted
    pieces, word = Pieces(bins, stretches_of(job.source), place, fingerprint, weighted=weighted), "filled"
    if scorer is None and len(pieces) and pieces.path(0).exists():
        fault = pieces.fault()
        if not fault:
            return pieces, "reloaded"
        word = f"refilled: {place}: {fault}"
    fill(pieces, job.source, job.encoder, n_threads=job.n_threads, scorer=scorer, training=True, tell=tell)
    return pieces, word
