"""The native datasets of one worker: filled by streaming, or read back from an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.boosting.dataset.binned_cache import BinnedCache
from scalable.boosting.dataset.fill import Scorer, fill
from scalable.boosting.workers.job import WorkerJob
from scalable.data.source import Source
from scalable.kernels.buffers import give_back

MOST_WORK_INTERPRETED = 10**7  # rows times trees, some two seconds of LightGBM's own prediction


def datasets_of(
    job: WorkerJob, tell: Callable[[int], None]
) -> tuple[lgb.Dataset, list[lgb.Dataset], dict[str, str]]:
    """Fill a worker's training and validation rows, or read them back.

    Parameters
    ----------
    job : WorkerJob
        Whose rows.
    tell : callable
        Called with the number of rows filled since the last call.

    Returns
    -------
    lightgbm.Dataset, list of lightgbm.Dataset, dict
        Training rows, each set of validation rows, and what the cache did with each, if there is one.
    """
    work = job.source.n_rows * job.base.iteration * job.n_scores
    scorer = scorer_of(job.base.text, fast=job.rotation.on or work > MOST_WORK_INTERPRETED)
    words: dict[str, str] = {}

    def make(source: Source, kind: str, start: tuple[str, ...]) -> lgb.Dataset:
        def anew() -> lgb.Dataset:
            return fill(
                source,
                job.encoder if kind == "train" else job.encoder.with_weight(source.weight),
                job.reference,
                job.dataset_params,
                n_threads=job.n_threads,
                n_scores=job.n_scores,
                scorer=scorer,
                start=start,
                training=kind == "train",
                tell=tell,
            )

        if not job.cache or scorer is not None or start:  # LightGBM's file has no place for initial scores
            return anew()
        place = f"{job.cache}/{kind}-{job.worker}-of-{job.n_workers}"
        fingerprint = source.fingerprint().joined(
            encoder=job.encoder.state().digest,
            bins=job.reference,
            kind=kind,
            class_weight=job.encoder.class_weight,
        )
        cache = BinnedCache(place, fingerprint)
        dataset, words[kind] = cache.dataset(
            job.dataset_params, job.encoder.feature_names, source.n_rows, anew
        )
        return dataset

    starts = job.starts or ((),) * (1 + len(job.valid))
    train = make(job.source, "train", starts[0])
    valid = [
        make(held, "valid" if k == 0 else f"valid{k}", starts[1 + k]) for k, held in enumerate(job.valid)
    ]
    if job.sizes:
        for dataset, sizes in zip((train, *valid), job.sizes, strict=True):
            dataset.set_field("group", sizes)
    give_back_decoding()
    return train, valid, words


def give_back_decoding() -> None:
    """Return the memory of decoding to the system: allocators keep it, and training needs none of it."""
    pa.default_memory_pool().release_unused()
    give_back()


@dataclass(frozen=True, slots=True)
class CompiledScorer:
    """Raw scores by a compiled forest, of rows in a matrix or in `scalable.inference.forest.places.Columns`."""

    forest: Any

    def __call__(self, matrix: Any) -> NDArray[np.float64]:
        """Return raw scores of shape (n_scores, n_rows)."""
        raw = np.asarray(self.forest.predict(matrix, raw_score=True))
        return np.ascontiguousarray(raw.reshape(len(raw), -1).T)


def scorer_of(text: str, *, fast: bool = False) -> Scorer | None:
    """Return what gives rows the raw scores of a model's trees, on the calling thread; None for no trees.

    The compiled forest gives the same bits as LightGBM many times faster, once it is loaded: for many rows
    and trees.
    """
    if not text:
        return None
    if fast:
        from scalable.inference import compile_model

        return CompiledScorer(compile_model(text))
    booster = lgb.Booster(model_str=text)

    def score(matrix: NDArray[Any]) -> NDArray[np.float64]:
        raw = np.asarray(booster.predict(matrix, raw_score=True, num_threads=1))
        return np.ascontiguousarray(raw.reshape(len(matrix), -1).T)

    return score
