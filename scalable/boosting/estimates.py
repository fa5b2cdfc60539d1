"""Before training: the memory and the traffic that it needs, and jobs that cannot fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalable.boosting.comm.mesh import HEADER, TAG_BYTES
from scalable.errors import PlanError
from scalable.storage.sizes import size_of

BYTES_PER_ROW = 40  # label 4, score 8, gradients and hessians 8 + 8 ordered, indices 4, partition buffers 8
BYTES_INIT_SCORE = 8
BYTES_WEIGHT = 4
PROCESS_BYTES = 300 * 2**20  # interpreter, libraries, blocks being decoded
HISTOGRAM_BYTES = 24  # two float64 and, while workers exchange them, a copy


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Predicted memory of one worker.

    Attributes
    ----------
    rows : int
        Rows of the worker.
    row_bytes : float
        Bytes per row: the bins, and what training keeps beside them.
    fixed_bytes : int
        Process, histograms, reference.
    """

    rows: int
    row_bytes: float
    fixed_bytes: int

    @property
    def total(self) -> int:
        """Bytes in all."""
        return int(self.rows * self.row_bytes) + self.fixed_bytes

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows x {self.row_bytes:.1f} bytes + {self.fixed_bytes / 2**20:,.0f} MiB = "
            f"{self.total / 2**30:.2f} GiB a worker"
        )


def predict_memory(
    n_rows: int, n_columns: int, params: Mapping[str, Any], *, weighted: bool, continued: bool, n_scores: int
) -> MemoryEstimate:
    """Predict the memory of a worker.

    Parameters
    ----------
    n_rows : int
        Rows of the worker.
    n_columns : int
        Columns of the matrix.
    params : mapping
        LightGBM's parameters.
    weighted, continued : bool
        Whether rows have weights, initial scores.
    n_scores : int
        Raw scores per row: each has its own score, gradient and hessian.
    """
    max_bin = int(params.get("max_bin", 255))
    # Bins of 4 bits keep the buffer they were put together in: a byte each, as with 255 bins (LightGBM 4.7, measured).
    per_bin = 1.0 if max_bin <= 255 else 2.0
    copies = 1.0 if params.get("force_col_wise") else 2.0  # row-wise histograms keep the bins once more
    per_row = n_columns * per_bin * copies + BYTES_PER_ROW + (n_scores - 1) * 24
    per_row += BYTES_WEIGHT * weighted + BYTES_INIT_SCORE * n_scores * continued
    leaves = int(params.get("num_leaves", 31))
    histograms = n_columns * (max_bin + 1) * HISTOGRAM_BYTES * leaves
    return MemoryEstimate(n_rows, per_row, PROCESS_BYTES + histograms)


def check_memory(
    estimate: MemoryEstimate, n_sharing: Sequence[int], available: Sequence[int], names: Sequence[str]
) -> None:
    """Refuse a job that cannot fit, saying what would.

    Parameters
    ----------
    estimate : MemoryEstimate
        Of one worker.
    n_sharing : sequence of int
        Per worker, the workers that share its machine's memory.
    available : sequence of int
        Per worker, bytes that its machine has to spare.
    names : sequence of str
        Per worker, for the message.

    Raises
    ------
    PlanError
        With the numbers and with what would fit.
    """
    for share, room, name in zip(n_sharing, available, names, strict=True):
        if estimate.total * share <= room:
            continue
        spare = max(0, room // share - estimate.fixed_bytes)
        fits = int(spare / estimate.row_bytes)
        raise PlanError(
            f"training needs {estimate}, and {name} has {size_of(room)} for {share} of them; what would fit: "
            f"{fits:,} rows a worker, more workers on other machines, or "
            'boosting="rotate", which uses all rows in bounded memory'
        )


@dataclass(frozen=True, slots=True)
class TrafficEstimate:
    """Predicted bytes that one worker sends (and as many that it receives) per tree.

    Attributes
    ----------
    histogram_bytes : float
        The exchange of histograms, one per leaf: ``(n - 1) / n`` of 16 bytes a bin, 24 with exact counts.
    split_bytes : float
        What all tell all: best splits, two records a leaf, what is renewed, and the frames around everything.
    exchanges : int
        Rounds of messages, each of which costs a round trip.
    """

    histogram_bytes: float
    split_bytes: float
    exchanges: int

    @property
    def total(self) -> float:
        """Bytes sent per tree."""
        return self.histogram_bytes + self.split_bytes

    def seconds(self, bytes_per_second: float, latency: float) -> float:
        """Return the seconds per tree on links of this speed and this one-way latency."""
        return self.total / bytes_per_second + self.exchanges * latency


SPLIT_RECORD = (
    438  # the best splits of both children, with room for category sets: measured, as LightGBM pads it
)
OFFER = 88  # a worker's best split of a leaf
RENEWED = 16  # the sums that a leaf's answer comes from
OF_A_TREE = 16 + 32 + 24  # the largest gradient and hessian, the rows, the sums of them all
FRAME = HEADER.size + TAG_BYTES  # around what an exchange carries to one peer


def predict_traffic(
    n_bins: int,
    num_leaves: int,
    n_workers: int,
    *,
    engine: str = "lightgbm",
    widest: int = 0,
    leaves_per_round: int = 1,
) -> TrafficEstimate:
    """Predict what a worker sends per tree, on average over the workers; flat as workers grow.

    For "native" it is exact where every leaf can be split: it counts what is sent. What a fit sends once, a few hundred
    bytes, and beats of life are beside it, as are the sums of percentiles, of GOSS and of metrics.

    Parameters
    ----------
    n_bins : int
        Bins of all features together, at most ``max_bin`` for each; ``stats_["bins"]`` after a fit.
    num_leaves : int
        Leaves of the tree.
    n_workers : int
        Workers.
    engine : str
        "lightgbm" sums gradients and hessians, "native" exact counts too.
    widest : int
        Bins of the widest feature where any is categorical: "native" then sends which of them go left.
    leaves_per_round : int
        Leaves that "native" splits together.
    """
    if n_workers < 2:
        return TrafficEstimate(0.0, 0.0, 0)
    splits, others = num_leaves - 1, n_workers - 1.0  # fewer when leaves are too small to be split further
    if engine == "native":
        rounds = rounds_of(num_leaves, leaves_per_round)
        looked_into = splits - rounds[-1]  # splits whose children may be split: none of the last round
        exchanges = 2 * len(rounds) + 4
        told = (1 + 2 * looked_into) * (OFFER + widest) + RENEWED * num_leaves + OF_A_TREE + FRAME * exchanges
        histograms = (1 + looked_into) * 24.0 * n_bins * others / n_workers
        return TrafficEstimate(histograms, told * others, exchanges)
    histograms = splits * 16.0 * n_bins * others / n_workers
    return TrafficEstimate(histograms, splits * SPLIT_RECORD * others, 2 * splits + 1)


def rounds_of(num_leaves: int, leaves_per_round: int) -> list[int]:
    """Return how many leaves each round of a tree splits, where all of them can be split."""
    rounds, n = list[int](), 1
    while n < num_leaves:
        rounds.append(min(n, leaves_per_round, num_leaves - n))
        n += rounds[-1]
    return rounds
