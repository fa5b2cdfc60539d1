"""From Parquet to bins: columns are binned as they are decoded, and no matrix of numbers is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.datasets import CompiledScorer, give_back_decoding
from scalable.boosting.dataset.fill import FILL_ROWS, Scorer, pour
from scalable.boosting.dataset.sinks import Taker
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.rows import Rows
from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.execution.reader import BlockReader
from scalable.features.tree_encoder import TreeEncoder, TreeRows, rows_of
from scalable.inference.forest.places import Columns


@dataclass(frozen=True, slots=True)
class ColumnEncoder:
    """An encoder that leaves columns apart.

    Attributes
    ----------
    encoder : TreeEncoder
        Of the model.
    training : bool
        Whether target means come from other folds than the row's own.
    """

    encoder: TreeEncoder
    training: bool

    @property
    def needed(self) -> Sequence[str]:
        """Names of the feature columns it reads."""
        return self.encoder.needed

    def encode(self, raw: RawBlock) -> TreeRows:
        """Return the encoded block."""
        return self.encoder.encode_columns(raw, cross_fitted=self.training)


@dataclass(frozen=True, slots=True)
class _OfColumns:
    """A scorer that is given columns, and puts them side by side where it must."""

    scorer: Scorer
    dtype: Any

    def __call__(self, matrix: Any) -> NDArray[np.float64]:
        """Return raw scores of shape (n_scores, n_rows)."""
        if isinstance(self.scorer, CompiledScorer) and matrix:
            return self.scorer(Columns.of_arrays(matrix, len(matrix[0])))
        return self.scorer(rows_of(matrix, self.dtype))


def filled(
    source: Source,
    encoder: TreeEncoder,
    bins: Bins,
    *,
    n_threads: int,
    n_scores: int,
    scorer: Scorer | None,
    training: bool,
    tell: Callable[[int], None],
) -> Rows:
    """Bin all rows of a source.

    Parameters
    ----------
    source : Source
        With a target; weights where it names a weight column.
    encoder : TreeEncoder
        From raw blocks to columns.
    bins : Bins
        Of the features.
    n_threads : int
        Threads that decode and bin, and parts the rows are dealt to.
    n_scores : int
        Scores per row.
    scorer : callable, optional
        Gives every row the scores that training goes on from, from a matrix.
    training : bool
        False for validation rows, which are encoded as in prediction.
    tell : callable
        Called with the number of rows filled since the last call.

    Raises
    ------
    DataError
        When the source yields another number of rows than its footers promise.
    """
    weighted = encoder.weighted if training else source.weight is not None
    rows = Rows(bins, stretches_of(source), n_threads, n_scores, weighted=weighted)
    fill(rows, source, encoder, n_threads=n_threads, scorer=scorer, training=training, tell=tell)
    return rows


def stretches_of(source: Source) -> list[tuple[int, int]]:
    """Return where a source's rows lie in the dataset, as (first row, rows)."""
    return [(shard.first_row, shard.n_rows) for shard in source.shards]


def fill(
    sink: Taker,
    source: Source,
    encoder: TreeEncoder,
    *,
    n_threads: int,
    scorer: Scorer | None,
    training: bool,
    tell: Callable[[int], None],
) -> None:
    """Give all rows of a source to what bins columns; arguments as for `filled`."""
    n_pushers = max(1, min(n_threads, source.n_rows // FILL_ROWS))
    reader = BlockReader(
        source, ColumnEncoder(encoder, training), depth=1 if n_pushers == 1 else 0, block_rows=FILL_ROWS
    )
    pour(reader, sink, None if scorer is None else _OfColumns(scorer, encoder.dtype), n_pushers, tell)
    give_back_decoding()
