"""Generate a dataset: files in parallel, on threads or a Dask cluster, resumable after any death."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_gen.datasets import checked_knobs, recipe
from data_gen.errors import GenerationError, OutputError, RequestError
from data_gen.manifest import Manifest, column_json, read, versions
from data_gen.optimum.scoring import new_truth
from data_gen.writing.cluster import run_dask
from data_gen.writing.journal import Journal
from data_gen.writing.parquet import encoded_size, write_part
from data_gen.writing.request import Part, check_share, make_request
from data_gen.writing.shares import combine_if_complete, write_share
from scalable.kernels.processors import available_processors
from scalable.storage.places import is_address, place
from scalable.storage.replace import sync
from scalable.storage.sizes import size_of

Progress = Callable[[int], None]


class CancelledError(GenerationError):
    """Another file failed or the user interrupted; finished files stay for --resume."""


class _Tally:
    """Rows finished so far, told to the caller from whichever thread finished them."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._lock, self._rows = progress, threading.Lock(), 0
        self.stop = threading.Event()

    def advance(self, rows: int) -> None:
        if self.stop.is_set():
            raise CancelledError("generation was cancelled; pass --resume to finish it")
        with self._lock:
            self._rows += rows
            if self._progress is not None:
                self._progress(self._rows)


def generate(
    dataset: str,
    *,
    rows: int,
    out: str | os.PathLike[str],
    seed: int = 0,
    workers: int | None = None,
    client: Any = None,
    shards_of: tuple[int, int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    compression: str = "none",
    rows_per_file: int | None = None,
    row_group_rows: int | None = None,
    progress: Progress | None = None,
    **knobs: Any,
) -> Manifest:
    """Write a dataset as Parquet files with a manifest.

    Parameters
    ----------
    dataset : str
        A name of `data_gen.datasets()`.
    rows : int
    out : path
        Directory, created when absent, or ``s3://`` prefix; empty or holding this very dataset.
    seed : int
    workers : int, optional
        Threads; by default the processors this process may use.
    client : distributed.Client or str, optional
        Write the files on a Dask cluster instead; `out` must be on storage its workers share.
    shards_of : (i, n), optional
        Write only the i-th of n shares (from 0) of the files; the manifest is completed by
        whichever share finishes last in the same directory, or by `data_gen.combine`.
    resume : bool
        Finish an interrupted run; the result has the same bytes as an uninterrupted one.
    overwrite : bool
        Replace a dataset that is in `out`.
    compression : {"none", "lz4", "snappy", "zstd"}
    rows_per_file, row_group_rows : int, optional
        By default 2**19 to 2**24 rows a file (at most 64 files where possible) and 2**18 a row group
        (fewer where that would take more than 64 MB).
    progress : callable, optional
        Called with the number of rows finished so far, from any thread.
    **knobs
        Of the dataset; see `data_gen.datasets()`.

    Returns
    -------
    Manifest

    Raises
    ------
    RequestError
        On an unknown name or a bad number, or a resume with other options.
    OutputError
        When `out` cannot be used or the disk is too small.
    """
    bound = recipe(dataset, seed, checked_knobs(dataset, knobs))
    request = make_request(dataset, bound.knobs, seed, rows, rows_per_file, row_group_rows, compression,
                           sum(c.storage.itemsize for c in bound.columns))  # fmt: skip
    check_share(shards_of)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise RequestError(f"workers={workers!r}: expected a whole number from 1")
    journal = Journal(place(out), request, shards_of)
    if journal.open(resume, overwrite):
        return read(journal.out, journal.manifest_name)
    tally = _Tally(progress)
    try:
        parts = request.parts(shards_of)
        with _pool(workers, len(parts)) as pool:
            done = set(pool.map(lambda p: p.index if journal.finished(p) else -1, parts)) - {-1}
            missing = [part for part in parts if part.index not in done]
            try:
                _check_disk(journal.out, missing, lambda rows: encoded_size(bound, request, rows), workers)
            except OutputError:
                if not (done or resume or is_address(out)):
                    journal.discard()  # else fewer rows, as the error asks for, would be refused
                raise
            tally.advance(sum(p.rows for p in parts if p.index in done))
            if client is None:
                _run_threads(pool, journal, bound, missing, tally)
            else:
                run_dask(client, _write, journal, missing, tally.advance)
        if not is_address(out):
            sync(journal.out)
        return _finish(journal, bound, parts)
    finally:
        journal.close()


@contextmanager
def _pool(workers: int | None, n_parts: int) -> Iterator[ThreadPoolExecutor]:
    size = max(1, min(workers or available_processors(), n_parts))
    pool = ThreadPoolExecutor(size, thread_name_prefix="data_gen")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_disk(out: Path, missing: Sequence[Part], size: Callable[[int], int], workers: int | None) -> None:
    rows = sorted((part.rows for part in missing), reverse=True)
    what, remedy = "the dataset needs", "ask for fewer rows, another --out or a stronger compression"
    if is_address(out):  # files on their way there, one a worker
        out, rows = Path(tempfile.gettempdir()), rows[: workers or available_processors()]
        what, remedy = "files on their way need", "set TMPDIR, or ask for fewer rows a file or --workers"
    free, needed = shutil.disk_usage(out).free, size(sum(rows)) if rows else 0
    if needed * 1.05 > free:
        raise OutputError(f"{out} has {size_of(free)} free, {what} about {size_of(needed)}; {remedy}")


def _write(journal: Journal, bound: Any, part: Part, advance: Callable[[int], None]) -> None:
    truth = new_truth(bound.truth_kind)
    try:
        with journal.temporary(part) as path:
            size, digest = write_part(bound, journal.request, part, path, truth, advance)
            journal.record(part, path, size, digest, truth.arrays())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{journal.out / part.name} could not be written ({reason}); --resume continues"
        ) from error


def _run_threads(
    pool: ThreadPoolExecutor, journal: Journal, bound: Any, parts: list[Part], tally: _Tally
) -> None:
    futures: list[Future[None]] = [pool.submit(_write, journal, bound, part, tally.advance) for part in parts]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done() and not future.cancelled():
                future.result()
    except BaseException:
        tally.stop.set()
        for future in futures:
            future.cancel()
        raise


def _finish(journal: Journal, bound: Any, parts: list[Part]) -> Manifest:
    truth, files = new_truth(bound.truth_kind), []
    for part in parts:
        try:
            entry, state = journal.entry(part)
        except OSError as error:
            raise OutputError(
                f"{journal.out}: another process removed what this one finished; run it again with --resume"
            ) from error
        files.append(entry)
        truth.merge(state)
    scores = {**bound.truth_parameters(), **(truth.scores() if files else {})}
    share = "" if journal.shards_of is None else "{}/{}".format(*journal.shards_of)
    manifest = Manifest(journal.out, journal.request, bound.target, [column_json(c) for c in bound.columns], files,
                        scores, versions(), share)  # fmt: skip
    if journal.shards_of is None:
        manifest.write()
        journal.discard()
        return manifest
    write_share(manifest, truth.arrays(), journal.shards_of)
    journal.discard()
    return combine_if_complete(journal.out, journal.shards_of[1]) or manifest
