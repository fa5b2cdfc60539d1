"""From what a user passes to ``fit`` to encoded rows: the part all linear learners share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from scalable.data.encoded_cache import CachedReader, cache_directory
from scalable.data.parquet import ParquetSource
from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.features.linear_column import EncoderOptions
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import (
    TARGET_ROWS,
    columns_of,
    expect_all,
    foreseeable,
    labels_of,
    sampled,
    summarize,
    target_of,
)
from scalable.features.target_summary import TargetSummary
from scalable.linear.in_memory import encoded_bytes, hold
from scalable.linear.solvers.rounds import ONE_PASS_ROWS

PROFILE_ROWS = 2**18  # from more rows, a sample of about as many decides how columns are treated
ORDERED = 0.5  # of the disorder of the target; with less, rows are shuffled or mixed
HELD_BYTES = 2**28  # encoded data of up to 256 MiB is kept for the passes after the first


@dataclass(frozen=True)
class Prepared:
    """Encoded rows and what is known of them.

    Attributes
    ----------
    given : Source
        The rows as they were given.
    reader : BlockReader or MemoryReader
        The encoded rows.
    executor : Executor
        Who should work on them: data held in memory stays in this process.
    encoder : LinearEncoder
        The map from raw columns.
    target : TargetSummary
        Classes, totals, moments.
    held : bool
        Whether the rows are in memory.
    ordered : bool
        Whether the target follows the order of many rows: descent takes them in a random one.
    """

    given: Source
    reader: Any
    executor: Executor
    encoder: LinearEncoder
    target: TargetSummary
    held: bool
    ordered: bool = False


def prepare(
    source: Source,
    executor: Executor,
    options: EncoderOptions,
    classify: bool,
    shuffle_seed: int | None,
    cache: Any = None,
    at_once: Callable[[LinearEncoder, int], bool] | None = None,
    heads: int = 64,
) -> Prepared:
    """Profile a source, plan its encoder, and hold the rows when they are few.

    Parameters
    ----------
    cache : path, optional
        Directory for encoded rows, where they are too many to be held.
    at_once : callable, optional
        Whether a learner of rows so encoded, and so many of them, begins without having read all targets. What it
        then meets that the spread of rows did not show is an `UnforeseenError`.
    heads : int
        Of shards, from which the columns of many rows are learned.

    Raises
    ------
    DataError
        When there is no target, it is unusable, or a feature column is.
    """
    if sampled(source, PROFILE_ROWS):
        many = source.n_rows >= ONE_PASS_ROWS and source.weight is None and at_once is not None
        expect_all(source, executor, PROFILE_ROWS, heads, TARGET_ROWS if many else None)
        columns = columns_of(source, executor, PROFILE_ROWS, heads)
        encoder = LinearEncoder.learn(columns, source, None, options)
        quick = many and at_once is not None and at_once(encoder, source.n_rows)
        target = target_of(source, executor, classify=classify, max_rows=TARGET_ROWS if quick else None)
        if quick and classify and not foreseeable(target):
            target = target_of(source, executor, classify=classify)
        encoder = encoder.with_labels(labels_of(source, target, classify=classify))
    else:
        summary = summarize(source, executor, classify=classify, max_rows=PROFILE_ROWS)
        target = summary.known_target
        labels = labels_of(source, target, classify=classify)
        encoder = LinearEncoder.learn(summary.columns, source, labels, options)
    reader: Any = BlockReader(source, encoder)
    # One pass would pay for copying and shuffling without ever reading the copy again.
    # Unless descent would follow the target from one end of its range to the other.
    many = target.rows >= ONE_PASS_ROWS
    ordered = many and shuffle_seed is not None and target.disorder < ORDERED
    held = (ordered or not many) and encoded_bytes(reader, target.rows) <= HELD_BYTES
    if held:
        executor = executor if isinstance(executor, Threads) else Threads()
        reader = hold(replace(reader, depth=0), target.rows, shuffle_seed, executor.n_workers)
    elif cache is not None and isinstance(source, ParquetSource):
        reader = CachedReader(reader, cache_directory(cache, source, encoder, reader.block_rows))
    return Prepared(source, reader, executor, encoder, target, held, ordered)
