"""Streaming a worker's shards into its native dataset: raw values exist for a few blocks at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.sinks import DatasetSpec, Taker, sink_for
from scalable.boosting.dataset.start_scores import WithStart
from scalable.boosting.training.rotation import pieces_of
from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import DataError
from scalable.execution.fetching import fetch, forget, reading
from scalable.execution.reader import BlockReader, Encoder, in_passing
from scalable.features.tree_encoder import TreeEncoder, TreeRows

SOME_ROWS = 700
FILL_ROWS = 2**16  # small blocks keep the prefetched matrices in cache


class Scorer(Protocol):
    """Raw scores of encoded rows, from which training continues."""

    def __call__(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        """Return raw scores of shape (n_scores, n_rows), C-contiguous."""


@dataclass(frozen=True, slots=True)
class TrainingEncoder:
    """An encoder as the fill uses it: rates of the other folds, not of the row's own."""

    encoder: TreeEncoder

    @property
    def needed(self) -> Sequence[str]:
        """Names of the feature columns it reads."""
        return self.encoder.needed

    def encode(self, raw: RawBlock) -> TreeRows:
        """Return the encoded block."""
        return self.encoder.encode_training(raw)


def fill(
    source: Source,
    encoder: TreeEncoder,
    reference: bytes,
    params: Mapping[str, Any],
    *,
    n_threads: int,
    n_scores: int = 1,
    scorer: Scorer | None = None,
    start: Sequence[str] = (),
    training: bool = True,
    tell: Callable[[int], None] = lambda rows: None,
) -> lgb.Dataset:
    """Bin all rows of a source into a native dataset.

    Parameters
    ----------
    source : Source
        With a target; weights where it names a weight column.
    encoder : TreeEncoder
        From raw blocks to matrices.
    reference : bytes
        Bins, the same for all workers.
    params : mapping
        Dataset parameters, as the reference was made with.
    n_threads : int
        Threads that decode, encode, score and push, each its own shards.
    n_scores : int
        Raw scores per row.
    scorer : callable, optional
        Gives the initial score of every row; called by all threads.
    start : sequence of str
        Columns of scores that are added to it.
    training : bool
        False for validation rows, which are encoded as in prediction.
    tell : callable
        Called with the number of rows pushed since the last call.

    Raises
    ------
    DataError
        When the source yields another number of rows than its footers promise.
    """
    n_pushers = max(1, min(n_threads, source.n_rows // FILL_ROWS))
    # One thread decodes ahead of itself; several are busy enough with whole shards.
    used: Encoder = TrainingEncoder(encoder) if training else encoder
    reader = BlockReader(
        source,
        WithStart(used, start) if start else used,
        depth=1 if n_pushers == 1 else 0,
        block_rows=FILL_ROWS,
    )
    weighted = encoder.weighted if training else source.weight is not None
    spec = DatasetSpec(reference, params, tuple(encoder.feature_names), source.n_rows, weighted, n_scores)
    with sink_for(
        spec, lambda: _some_rows(reader), scored=scorer is not None or len(start) > 0, n_pushers=n_pushers
    ) as sink:
        pour(reader, sink, scorer, n_pushers, tell)
        return sink.finish()


def _some_rows(reader: BlockReader) -> NDArray[Any]:
    """Return encoded rows from the beginning, the middle and the end of a source."""
    shards = reader.source.shards
    chosen = {0: shards[0], len(shards) // 2: shards[len(shards) // 2], len(shards) - 1: shards[-1]}
    blocks = (next(iter(reader.blocks(shard.head(SOME_ROWS)))) for shard in chosen.values())
    return np.concatenate([block.matrix for block in blocks])


def pour(
    reader: BlockReader, sink: Taker, scorer: Scorer | None, n_pushers: int, tell: Callable[[int], None]
) -> None:
    """Read, encode and score all blocks and give them to the sink; other arguments as for `fill`."""
    source = reader.source
    reader = in_passing(reader, source.shards)
    placed = list(_placed(source.shards, n_pushers))
    turns = iter(range(len(placed)))  # advancing it is atomic
    stop, lock, pushed = threading.Event(), threading.Lock(), 0

    def push(pusher: int) -> None:
        nonlocal pushed
        for k in turns:
            if stop.is_set():
                return
            shard, start = placed[k]
            if k + n_pushers < len(placed):
                fetch(reader, (placed[k + n_pushers][0],))
            for rows in reader.blocks(shard):
                if stop.is_set():
                    return
                weight = None if rows.weight is None else rows.weight.astype(np.float32)
                score = None if scorer is None else scorer(rows.matrix)
                if rows.start is not None:
                    score = rows.start if score is None else score + rows.start
                sink.push(
                    rows.matrix, rows.label.astype(np.float32), weight, score, start=start, pusher=pusher
                )
                start += len(rows.label)
                with lock:
                    pushed += len(rows.label)
                    tell(len(rows.label))
            forget(reader, shard)

    with reading(reader):
        if n_pushers == 1:
            push(0)
        else:
            with ThreadPoolExecutor(n_pushers, thread_name_prefix="fill") as pool:
                try:
                    for done in as_completed([pool.submit(push, pusher) for pusher in range(n_pushers)]):
                        done.result()
                finally:  # the first failure, or Ctrl-C, ends the others
                    stop.set()
    if pushed != source.n_rows:
        raise DataError(
            f"{source.describe_place()}: {pushed:,} rows decoded where the footers promise {source.n_rows:,}; "
            "the files changed while they were read: start again"
        )


def _placed(shards: Sequence[Shard], n_pushers: int) -> Iterator[tuple[Shard, int]]:
    """Yield shards and where their rows go, cut where there are too few to share."""
    rows = sum(shard.n_rows for shard in shards)
    start = 0
    for piece in pieces_of(shards, max(FILL_ROWS, rows // n_pushers)) if n_pushers > 1 else shards:
        yield piece, start
        start += piece.n_rows
