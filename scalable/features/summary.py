"""One pass over raw rows that learns what encoders need: columns, target, sampled rows, as far as each is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.readers.stored import StoredColumns
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.execution.executors import Executor
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.sampling import joined_shards, sample_shards, spread_shards
from scalable.execution.threads import Threads
from scalable.execution.work import shards_ahead
from scalable.features.profile import SAMPLE_ROWS, Profile, ProfileReduction, profile_source
from scalable.features.row_sample import SampleReduction
from scalable.features.target import Labels, require_good
from scalable.features.target_summary import TargetReduction, TargetSummary

TARGET_PIECES = (
    32  # at most, of a spread of rows that tell of the target: opening one costs as thousands of rows
)
LEAST_READ = 2**12  # rows of such a piece
TARGET_ROWS = 2**18  # that tell of the target, to learners that begin at once; one column
LEAST_OF_A_CLASS = 16  # rows among those
COUNTED = ("text", "integer", "boolean")  # kinds of columns whose levels are counted, which is Python's work
LEAST_PIECES = 16  # of a source, so that a column is seen to follow the order of its rows


@dataclass(slots=True)
class Summary:
    """What a pass found; parts that nobody asked for are empty.

    Attributes
    ----------
    columns : Profile
        Moments, ranges, categories and missing values of columns.
    target : TargetSummary or None
        Classes, or moments, and weights.
    sample : tuple of RawBlock
        Sampled rows, in dataset order.
    """

    columns: Profile
    target: TargetSummary | None = None
    sample: tuple[RawBlock, ...] = ()

    @property
    def known_target(self) -> TargetSummary:
        """The target's summary, which was asked for."""
        if self.target is None:
            raise ValueError("the summary has no target")
        return self.target


@dataclass(frozen=True, slots=True)
class SummaryReduction:
    """Reduction from raw blocks to a `Summary`: the reductions of its parts, over the same blocks.

    Parameters
    ----------
    columns : ProfileReduction
        Of no columns to learn of none.
    target : TargetReduction, optional
    sample : SampleReduction, optional
    """

    columns: ProfileReduction
    target: TargetReduction | None = None
    sample: SampleReduction | None = None

    @property
    def parts(self) -> Mapping[str, Any]:
        """The reductions that run, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in found.items() if part is not None}

    def init(self) -> dict[str, Any]:
        """Return the state of no rows."""
        return {name: part.init() for name, part in self.parts.items()}

    def step(self, state: dict[str, Any], block: RawBlock) -> dict[str, Any]:
        """Add a block."""
        return {name: part.step(state[name], block) for name, part in self.parts.items()}

    def merge(self, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        """Return the state of the rows of both."""
        return {name: part.merge(left[name], right[name]) for name, part in self.parts.items()}

    def finish(self, state: dict[str, Any]) -> Summary:
        """Return the summary."""
        return Summary(**{name: part.finish(state[name]) for name, part in self.parts.items()})


def summarize(source: Source, executor: Executor, *, classify: bool, max_rows: int = SAMPLE_ROWS) -> Summary:
    """Return what is known of a source's features and target.

    One pass learns both. Of more than `max_rows` rows, the features are learned from a sample, and the target, of
    which a class of one row in a million must not be missed, from all rows: of two columns.

    Parameters
    ----------
    source : Source
        Training rows.
    executor : Executor
        Who reads them.
    classify : bool
        Whether the target names classes.
    max_rows : int
        Rows from which the features are learned.

    Raises
    ------
    DataError
        When the target is unusable.
    UsageError
        When there is none.
    """
    target = TargetReduction(source.roles, classify, place=source.describe_place())
    names = tuple(source.feature_names)
    if sampled(source, max_rows):
        return Summary(columns_of(source, executor, max_rows), target_of(source, executor, classify=classify))
    both = SummaryReduction(ProfileReduction(names, source.full_schema), target)
    reader = BlockReader(source, columns=tuple(source.needed))
    shards = joined_shards(source.shards, LEAST_PIECES) if source.exact_rows is not None else None
    return run_reduction(executor, both, reader, shards, "read columns")


def sampled(source: Source, max_rows: int) -> bool:
    """Return whether features are learned from a sample of the rows: one of a selection might miss what it selects."""
    return source.exact_rows is not None and source.n_rows > max_rows


def columns_of(source: Source, executor: Executor, max_rows: int, heads: int = 64) -> Profile:
    """Return what a sample tells of the features, and all rows of those that do not vary in it."""
    names = source.feature_names
    counted = any(column_kind(source.field_type(name)) in COUNTED for name in names)
    light = counted or isinstance(source.stored(source.shards[0], names), StoredColumns)  # plain ones
    found = profile_source(source, _alone(executor) if light else executor, names, max_rows, heads)
    still = [name for name in names if found.columns[name].constant]
    if still:  # no column that varies anywhere is left out unsaid
        found.columns.update(profile_source(source, executor, still, source.n_rows).columns)
    return found


def target_of(
    source: Source, executor: Executor, *, classify: bool, max_rows: int | None = None
) -> TargetSummary:
    """Return what is known of the target: from all rows, or from a spread of about `max_rows` over all shards."""
    reader = BlockReader(source, columns=source.roles.learned_from)
    shards = _telling_of_target(source, max_rows)
    executor = executor if max_rows is None else _alone(executor)
    found: TargetSummary = run_reduction(
        executor, TargetReduction(source.roles, classify, place=source.describe_place()), reader, shards
    )
    return found if max_rows is None else found.of_rows(source.n_rows)


def _alone(executor: Executor) -> Executor:
    """Return who looks at few rows where Python works more than kernels do: of threads one, as two take longer.

    They would take the interpreter's lock from each other at every call of a kernel.
    """
    return Threads(1) if isinstance(executor, Threads) else executor


def _telling_of_target(source: Source, max_rows: int | None) -> list[Shard]:
    if max_rows is not None:
        return spread_shards(source, max_rows, max(LEAST_READ, max_rows // TARGET_PIECES))
    return list(source.shards) if source.exact_rows is None else joined_shards(source.shards)


def expect_all(
    source: Source, executor: Executor, max_rows: int, heads: int, target_rows: int | None
) -> None:
    """Have a far source fetched from now on, in the order in which it will be read: `columns_of`, `target_of`, a pass.

    What is read only to look at it lies all over the source, a request here and there, and would leave the way to the
    store idle.
    """
    if source.far and isinstance(executor, Threads):  # others fetch elsewhere
        rows, target = BlockReader(source), BlockReader(source, columns=source.roles.learned_from)
        fetch(rows, sample_shards(source, max_rows, heads))
        fetch(target, _telling_of_target(source, target_rows))
        fetch(rows, source.shards[: shards_ahead(source.shards)])


def foreseeable(target: TargetSummary) -> bool:
    """Whether a spread of rows shows two classes or more, and none of them so rarely that there are likely others."""
    least = (target.sampled or 0) / target.rows * min(target.class_rows)
    return len(target.classes) > 1 and least >= LEAST_OF_A_CLASS


def refuse_unusable(profile: Profile, source: Source, *, missing: bool) -> None:
    """Look for the rows that a profile counted as unusable.

    Raises
    ------
    DataError
        With file, row and value of the first infinite feature, or of the first missing one where `missing` is refused.
    """
    for name in source.feature_names:
        found = profile.columns[name]
        wrong, remedy = 0, "clean the column or leave it out of the features"
        if missing and found.missing:
            wrong, remedy = found.missing, "fill it, leave the column out, or set missing='indicator'"
        for raw in _all_blocks(source, name) if found.infinite or wrong else ():
            array = raw.arrays[name]
            good = np.ones(len(array), bool)
            if not pa.types.is_dictionary(array.type):
                values = numbers(array)
                good = ~np.isinf(values)
                good &= ~np.isnan(values) if wrong else True
            elif wrong:
                good = array.is_valid().to_numpy(zero_copy_only=False)
            require_good(good, array, f"column {name!r}", raw.where, remedy)


def _all_blocks(source: Source, name: str) -> Iterator[RawBlock]:
    for shard in source.shards:
        yield from source.raw_blocks(shard, [name])


def labels_of(source: Source, target: TargetSummary, *, classify: bool) -> Labels:
    """Return how the target column of a source is read."""
    return Labels(source.roles.require_target(), target.classes if classify else None)
