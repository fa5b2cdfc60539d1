"""Groups of rows that lie together, such as the results of a query: stretches of equal values of the group column."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.roles import Roles, spoken
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.target import require_good, target_values


def runs_of(block: RawBlock, column: str) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the values of the group column and how many neighbouring rows have each, in the order of the rows.

    Raises
    ------
    DataError
        When a row has no value.
    """
    array = block.arrays[column]
    good = pc.is_valid(array)
    if pa.types.is_floating(array.type):
        good = pc.and_(good, pc.invert(pc.is_nan(pc.fill_null(array, 0.0))))
    remedy = "every row belongs to a query: give it one, or remove those rows"
    require_good(good, array, spoken("group", column), block.where, remedy)
    plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    changed = np.asarray(pc.not_equal(plain.slice(1), plain.slice(0, max(0, len(plain) - 1))))
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(plain)), bool), changed]))
    return plain.take(pa.array(first)), np.diff(first, append=len(plain)).astype(np.int64)


@dataclass(slots=True)
class Runs:
    """Neighbouring rows of one value: the values, and the number of rows of each run, in pieces."""

    values: list[pa.Array] = field(default_factory=list)
    sizes: list[NDArray[np.int64]] = field(default_factory=list)


@dataclass(frozen=True)
class GroupReduction:
    """Reduction from raw blocks to the number of rows of each group, int64 (n_groups,), in the order of the rows.

    Parameters
    ----------
    roles : Roles
        Of which group and, where labels are checked, target are read.
    n_gains : int
        Labels must be whole numbers below; 0 leaves them alone.
    place : str
        Name of the data for messages.
    """

    roles: Roles
    n_gains: int
    place: str

    def init(self) -> Runs:
        """Return the runs of no rows."""
        return Runs()

    def step(self, state: Runs, block: RawBlock) -> Runs:
        """Add a block.

        Raises
        ------
        DataError
            When a row is of no group, or its label is none that can be ranked by.
        """
        values, sizes = runs_of(block, str(self.roles.group))
        if self.n_gains:
            self._check_labels(block)
        return self.merge(state, Runs([values], [sizes]) if len(sizes) else Runs())

    def _check_labels(self, block: RawBlock) -> None:
        name = self.roles.require_target()
        label = target_values(block.arrays[name], name, block.where)
        good = (label >= 0) & (label < self.n_gains) & (label == np.floor(label))
        remedy = f"labels of a ranking are whole numbers from 0 to {self.n_gains - 1}, which have a gain each"
        require_good(good, block.arrays[name], spoken("target", name), block.where, remedy)

    def merge(self, left: Runs, right: Runs) -> Runs:
        """Return the runs of both; a group may begin in one and end in the other."""
        if not left.values or not right.values:
            return left if left.values else right
        values, sizes, before = right.values, right.sizes, left.sizes
        if left.values[-1][-1].as_py() == values[0][0].as_py():
            joined = before[-1].copy()  # what came from elsewhere cannot be written to
            joined[-1] += sizes[0][0]
            before = [*before[:-1], joined]
            values, sizes = [values[0].slice(1), *values[1:]], [sizes[0][1:], *sizes[1:]]
            if not len(values[0]):
                values, sizes = values[1:], sizes[1:]
        return Runs([*left.values, *values], [*before, *sizes])

    def finish(self, state: Runs) -> NDArray[np.int64]:
        """Return the sizes.

        Raises
        ------
        DataError
            When the rows of a group do not lie together.
        """
        if not state.sizes:
            return np.empty(0, np.int64)
        sizes, name = np.concatenate(state.sizes), str(self.roles.group)
        codes = pa.chunked_array(state.values).combine_chunks().dictionary_encode()
        indices = codes.indices.to_numpy(zero_copy_only=False)
        if len(codes.dictionary) < len(indices):
            seen = np.bincount(indices, minlength=len(codes.dictionary))
            again = int(np.flatnonzero(seen[indices] > 1)[0])
            later = int(np.flatnonzero(indices == indices[again])[1])
            starts = np.cumsum(sizes) - sizes
            raise DataError(
                f"{self.place}: {spoken('group', name)} is {codes.dictionary[indices[again]].as_py()!r} in row "
                f"{starts[again]:,} and, after other values, again in row {starts[later]:,}; rows of a query must lie "
                "together: sort by that column"
            )
        return sizes


def group_sizes(source: Source, executor: Executor, *, n_gains: int = 0) -> NDArray[np.int64]:
    """Go through the group column of a source and return the rows of each group, int64 (n_groups,), in order.

    Parameters
    ----------
    source : Source
        With a group column, and a target where labels are checked.
    executor : Executor
        Who reads it.
    n_gains : int
        Labels must be whole numbers below; 0 leaves them alone.

    Raises
    ------
    DataError
        When a row is of no group, the rows of a group do not lie together, or a label cannot be ranked by.
    UsageError
        When no group column is named.
    """
    roles, place = source.roles, source.describe_place()
    if roles.group is None:
        raise UsageError(
            f"{place}: ranking needs query groups: name their column, ParquetSource(..., group=COLUMN), or give group "
            "(eval_group) to LGBMRanker.fit"
        )
    columns = (roles.group, *((roles.require_target(),) if n_gains else ()))
    reduction = GroupReduction(roles, n_gains, place)
    return run_reduction(executor, reduction, BlockReader(source, columns=columns), label="find queries")
