"""Streaming a rank's shards into its native dataset: raw values exist for a few blocks at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native import StreamedDataset
from scalable.data.block import RawBlock
from scalable.data.encoders.tree import TreeEncoder, TreeRows
from scalable.data.planned import Source
from scalable.errors import DataError
from scalable.execution.reader import BlockReader

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
        Bins, the same for all ranks.
    params : mapping
        Dataset parameters, as the reference was made with.
    n_threads : int
        Threads LightGBM may bin with.
    n_scores : int
        Raw scores per row.
    scorer : callable, optional
        Gives the initial score of every row.
    training : bool
        False for validation rows, which are encoded as in prediction.
    tell : callable
        Called with the number of rows pushed since the last call.

    Raises
    ------
    DataError
        When the source yields another number of rows than its footers promise.
    """
    weighted = source.weight is not None
    target = StreamedDataset(
        reference,
        source.n_rows,
        params,
        encoder.feature_names,
        has_weight=weighted,
        has_init_score=scorer is not None,
        n_scores=n_scores,
        n_threads=n_threads,
    )
    reader = BlockReader(source, TrainingEncoder(encoder) if training else encoder, block_rows=FILL_ROWS)
    pushed = 0
    for shard in source.shards:
        for rows in reader.blocks(shard):
            assert rows.label is not None
            target.push(
                rows.matrix,
                rows.label.astype(np.float32),
                rows.weight.astype(np.float32) if weighted else None,
                None if scorer is None else scorer(rows.matrix),
            )
            pushed += len(rows.matrix)
            tell(len(rows.matrix))
    if pushed != source.n_rows:
        raise DataError(
            f"{source.describe_place()}: {pushed:,} rows decoded where the footers promise {source.n_rows:,}; "
            "the files changed while they were read: start again"
        )
    return target.finish()
