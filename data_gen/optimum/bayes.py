"""The best score any model can reach, streamed: counts over bins of p(y=1|x), scored at the end.

A bin is a run of float32 numbers that share exponent and the first ten mantissa bits, so its width
is 0.1% of p; the scores below are computed from the bins' exact means and are right to about
one in 10**6. Counts and sums add up, so files are scored apart and merged in file order.

Rows that are copies of one another are one draw, not many: a standard error then sums over clusters of copies
(Liang and Zeger, 1986). A bin keeps the sum over its rows of how many copies each has, which is the sum over its
clusters of their squared sizes; copies share p and the label, so no more is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

_SHIFT = np.uint32(13)
_LOWEST = np.uint32(np.float32(2.0**-40).view(np.uint32)) >> _SHIFT
_UNIT = 2.0**30
N_BINS = int((np.uint32(np.float32(1).view(np.uint32)) >> _SHIFT) - _LOWEST) + 1
Array = np.ndarray[Any, np.dtype[Any]]


@kernel()
def count_bins(probability: Any, label: Any, rows: Any, positives: Any, mass: Any) -> None:
    """Add rows, positives and the sum of p to the bins of p.

    Parameters
    ----------
    probability : (n,) float64
    label : (n,) int8
    rows, positives : (N_BINS,) int64
    mass : (N_BINS,) int64
        In units of 2**-30, so that sums do not depend on their order.
    """
    for i in range(probability.size):
        bits = np.uint32(np.float32(probability[i]).view(np.uint32)) >> _SHIFT
        b = np.int64(max(bits, _LOWEST) - _LOWEST)
        rows[b] += 1
        mass[b] += np.int64(np.rint(probability[i] * _UNIT))
        if label[i] != 0:
            positives[b] += 1


def bins_of(probability: Array) -> Array:
    """Return the bin of each p, as `count_bins` finds it."""
    bits = probability.astype(np.float32).view(np.uint32) >> _SHIFT
    bins: Array = np.maximum(bits, _LOWEST).astype(np.int64) - np.int64(_LOWEST)
    return bins


@dataclass
class BinaryTruth:
    """Streaming Bayes scores of a 0/1 target.

    Parameters
    ----------
    rows, positives : (N_BINS,) int64
    mass : (N_BINS,) int64
        Sum of p(y=1|x) in each bin, in units of 2**-30.
    copies : (2, N_BINS) int64 or None
        Of negatives and positives, the sum of squared cluster sizes in each bin; None while rows are independent.
    """

    rows: Array = field(default_factory=lambda: np.zeros(N_BINS, np.int64))
    positives: Array = field(default_factory=lambda: np.zeros(N_BINS, np.int64))
    mass: Array = field(default_factory=lambda: np.zeros(N_BINS, np.int64))
    copies: Array | None = None

    def update(self, known: tuple[Array, Array, Array | None]) -> None:
        """Add rows: p(y=1|x), labels and sizes of clusters, as `BinaryRecipe.score` returns them."""
        chance, label, copies = known
        if copies is not None:
            if self.copies is None:
                self.copies = np.stack([self.rows - self.positives, self.positives])  # of single rows so far
            np.add.at(self.copies, (label.astype(np.int64), bins_of(chance)), copies)
        elif self.copies is not None:
            raise ValueError("rows with and without sizes of clusters in one dataset")
        count_bins(chance, label, self.rows, self.positives, self.mass)

    def arrays(self) -> dict[str, Array]:
        """Return the state, to be written to disk."""
        plain = {"rows": self.rows, "positives": self.positives, "mass": self.mass}
        return plain if self.copies is None else {**plain, "copies": self.copies}

    def merge(self, state: dict[str, Array]) -> None:
        """Add the state of other rows."""
        if "copies" in state or self.copies is not None:
            mine, other = (
                BinaryTruth._clusters(*part)
                for part in (
                    (self.rows, self.positives, self.copies),
                    (state["rows"], state["positives"], state.get("copies")),
                )
            )
            self.copies = mine + other
        self.rows += state["rows"]
        self.positives += state["positives"]
        self.mass += state["mass"]

    @staticmethod
    def _clusters(rows: Array, positives: Array, copies: Array | None) -> Array:
        return np.stack([rows - positives, positives]) if copies is None else copies

    def scores(self) -> dict[str, Any]:
        """Return the Bayes scores.

        Returns
        -------
        dict
            ``rows``, ``positives``, ``prevalence`` (mean of p), and for each of ``auc``,
            ``average_precision``, ``log_loss`` (nats) and ``brier``: ``expected`` over the draw of
            the labels, ``realised`` by the labels drawn (None with one class), and ``se``, the
            standard error of either as an estimate of the population's score (DeLong's for AUC;
            None for average precision), by clusters of copies where rows repeat others.
        """
        used = self.rows > 0
        rows, positives, mass = self.rows[used], self.positives[used], self.mass[used] / _UNIT
        n = int(rows.sum())
        chance = np.clip(mass / rows, 2.0**-40, 1 - 2.0**-24)
        expected = _ranked(mass, rows - mass)
        realised = _ranked(positives.astype(float), (rows - positives).astype(float))
        score = {
            key: {"expected": expected[key], "realised": realised[key]}
            for key in ("auc", "average_precision")
        }
        # over the draw of the labels: of few positives, those drawn would say that their number is certain
        clusters = (rows if self.copies is None else self.copies[:, used].sum(0)) / rows
        positive, negative = clusters * mass, clusters * (rows - mass)
        score["auc"]["se"] = _ranked(mass, rows - mass, (negative, positive))["auc_se"]
        score["average_precision"]["se"] = None
        hit, miss = -np.log(chance), -np.log1p(-chance)
        for key, one, zero in (("log_loss", hit, miss), ("brier", (1 - chance) ** 2, chance**2)):
            mean = (_dot(mass, one) + _dot(rows - mass, zero)) / n
            real = (_dot(positives, one) + _dot(rows - positives, zero)) / n
            variance = _dot(positive, (one - mean) ** 2) + _dot(negative, (zero - mean) ** 2)
            se = float(np.sqrt(variance)) / n
            score[key] = {"expected": mean, "realised": real, "se": se}
        return {
            "rows": n,
            "positives": int(positives.sum()),
            "prevalence": float(mass.sum() / n),
            **score,
        }


def _dot(a: Array, b: Array) -> float:
    """Return the sum of products in NumPy's own order: that of BLAS depends on its threads."""
    return float(np.sum(a * b))


def _ranked(positive: Array, negative: Array, clusters: tuple[Array, Array] | None = None) -> dict[str, Any]:
    """Return AUC with DeLong's standard error and average precision of weights by ascending score.

    `clusters` holds the sums of squared cluster sizes of negatives and positives, where they are not single rows.
    """
    of_negatives, of_positives = (negative, positive) if clusters is None else clusters
    n_pos, n_neg = positive.sum(), negative.sum()
    if n_pos <= 0 or n_neg <= 0:
        return {"auc": None, "auc_se": None, "average_precision": None}
    below = (np.cumsum(negative) - negative / 2) / n_neg  # a positive's chance to beat a negative
    above = 1 - (np.cumsum(positive) - positive / 2) / n_pos
    auc = _dot(positive, below) / n_pos
    variance = (
        _dot(of_positives, (below - auc) ** 2) / n_pos / n_pos
        + _dot(of_negatives, (above - auc) ** 2) / n_neg / n_neg
    )
    hits, flagged = np.cumsum(positive[::-1]), np.cumsum((positive + negative)[::-1])
    precision = _dot(positive[::-1], hits / flagged) / n_pos
    return {"auc": float(auc), "auc_se": float(np.sqrt(variance)), "average_precision": float(precision)}
