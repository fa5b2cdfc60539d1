"""Objectives: one record each, with LightGBM's starting score, and what gives its rows' gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.peers import Peers
from scalable.boosting.native.settings import flag
from scalable.boosting.objectives import RANKING, check_labels, main_objective
from scalable.kernels.histogram import objectives as kernels
from scalable.kernels.histogram.objectives import OBJECTIVE

Array = NDArray[Any]
# Rows between two flushes of packed sums are 2**bits - 1; losses of unbounded gradients leave more bits to each row.
# So do few rows, whose flushes cost little: where they can be told apart perfectly, 12 bits are coarse.
BOUNDED, UNBOUNDED = 13, 11
FEW_ROWS = 2**16
# Name: code, name and default of its own parameter, whether hessians are constant, bits.
_TABLE: dict[str, tuple[int, str, float, bool, int]] = {
    "binary": (kernels.BINARY, "sigmoid", 1.0, False, BOUNDED),
    "multiclass": (kernels.GIVEN, "", 0.0, False, BOUNDED),
    "multiclassova": (kernels.BINARY, "sigmoid", 1.0, False, BOUNDED),
    "cross_entropy": (kernels.CROSS_ENTROPY, "", 0.0, False, BOUNDED),
    "regression": (kernels.L2, "", 0.0, True, UNBOUNDED),
    "regression_l1": (kernels.L1, "", 0.0, True, UNBOUNDED),
    "huber": (kernels.HUBER, "alpha", 0.9, True, UNBOUNDED),
    "fair": (kernels.FAIR, "fair_c", 1.0, False, UNBOUNDED),
    "quantile": (kernels.QUANTILE, "alpha", 0.9, True, UNBOUNDED),
    "poisson": (kernels.POISSON, "poisson_max_delta_step", 0.7, False, UNBOUNDED),
    "gamma": (kernels.GAMMA, "", 0.0, False, UNBOUNDED),
    "tweedie": (kernels.TWEEDIE, "tweedie_variance_power", 1.5, False, UNBOUNDED),
    "lambdarank": (kernels.GIVEN, "", 0.0, False, UNBOUNDED),
    "rank_xendcg": (kernels.GIVEN, "", 0.0, False, UNBOUNDED),
    "custom": (kernels.GIVEN, "", 0.0, False, UNBOUNDED),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What gradients (in size) and hessians can be at most, and how far their extremes must be known.

    Scales are powers of two: what is above half of the least power of two that is not below a limit needs no more
    looking at, which on most data is so after a few rows.

    Attributes
    ----------
    most : float64 array (2,)
        Infinity where only the rows tell.
    enough : float64 array (2,)
        Largest powers of two below.
    """

    most: Array
    enough: Array

    @classmethod
    def of(cls, most: Array) -> Limits:
        """Return the limits of a gradient and of a hessian."""
        return cls(most, np.array([_power_below(float(one)) for one in most]))

    def largest(self, found: Sequence[float]) -> tuple[float, float]:
        """Return the extremes of a tree, of those that were found before there was enough; NaN stays NaN."""
        both = np.where(np.array(found) > self.enough, self.most, found).tolist()
        return both[0], both[1]


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective, bound to its parameters.

    Attributes
    ----------
    name : str
        LightGBM's.
    n_scores : int
        Scores per row.
    record : record array (1,) of `OBJECTIVE`
        For the kernels.
    constant_hessian : bool
        Whether the hessians of unweighted rows are all 1.
    count_bits : int
        Of the packing.
    percentile : float
        Of a leaf's residuals, which its answer is renewed to; NaN for none.
    most : tuple of float
        What a gradient (in size) and a hessian can be at most; infinity where only the rows tell.
    """

    name: str
    n_scores: int
    record: Array
    constant_hessian: bool
    count_bits: int
    percentile: float
    most: tuple[float, float]

    @classmethod
    def of(cls, values: Mapping[str, Any], parts: Iterable[Any], peers: Peers) -> Objective:
        """Return the objective that parameters name, for rows whose labels have been checked.

        Parameters
        ----------
        values : mapping
            LightGBM's parameters in canonical spelling.
        parts : iterable of Part
            The training rows.
        peers : Peers
            Who holds the other rows.

        Raises
        ------
        DataError
            On labels it is not defined for.
        """
        name = main_objective(str(values["objective"]))
        code, own, default, constant, bits = _TABLE[name]
        record = np.zeros(1, OBJECTIVE)
        shape = float(values.get(own, default)) if own else 0.0
        positive, negative = _class_weights(values, parts, peers) if name == "binary" else (1.0, 1.0)
        record[0] = (code, shape, positive, negative, 1.0)
        weighted = any(len(part.weight) for part in parts)
        below = max((-float(part.label.min()) for part in parts if part.n_rows), default=-np.inf)
        above = max((float(part.label.max()) for part in parts if part.n_rows), default=-np.inf)
        below, high = peers.most([below, above])
        check_labels(name, -below, high, positive=name == "gamma")
        percentile = {"regression_l1": 0.5, "quantile": shape}.get(name, math.nan)
        n_scores = int(values.get("num_class", 1)) if name.startswith("multiclass") else 1
        if name == "custom":
            n_scores = int(values.get("num_class", 1))
        few = peers.whole(sum(part.n_rows for part in parts)) <= FEW_ROWS
        bits = UNBOUNDED if weighted or few else bits
        heaviest = max((float(part.weight.max()) for part in parts if len(part.weight)), default=1.0)
        scale = max(positive, negative) * peers.most([heaviest])[0]
        # Of a probability's loss: |p - y| <= 1 and p (1 - p) <= 1/4.
        probable = {"binary": shape, "multiclassova": shape, "cross_entropy": 1.0, "multiclass": 1.0}.get(
            name, math.inf
        )
        factor = n_scores / (n_scores - 1.0) if name == "multiclass" else probable
        most = (probable * scale, probable * factor * scale / 4)
        return cls(name, n_scores, record, constant and not weighted, bits, percentile, most)

    @property
    def limits(self) -> Limits:
        """Limits of the gradients and hessians of a tree, with those that GOSS amplifies."""
        return Limits.of(np.array(self.most) * float(self.record["amplify"][0]))

    def start(self, parts: Iterable[Any], peers: Peers, k: int) -> float:
        """Return the score that training starts from, of the k-th class, where that is an average."""
        if self.name in ("custom", *RANKING):
            return 0.0
        if self.name.startswith("multiclass"):
            total = exact_sum(_weights, parts, peers)
            share = exact_sum(lambda part: _weighted(part.label == k, part), parts, peers) / total
            if self.name == "multiclass":
                return math.log(max(1e-15, share))
            return _odds(share) / float(self.record["shape"][0])
        total = exact_sum(_weights, parts, peers)
        if self.name == "binary":
            share = exact_sum(lambda part: _weighted(part.label > 0, part), parts, peers) / total
            return _odds(share) / float(self.record["shape"][0])
        mean = exact_sum(lambda part: _weighted(part.label, part), parts, peers) / total
        if self.name == "cross_entropy":
            return _odds(mean)
        if self.name in ("poisson", "gamma", "tweedie"):
            return math.log(max(mean, 1e-300))
        return mean


def _power_below(number: float) -> float:
    if number == 0:
        return 0.0
    return 2.0 ** (math.ceil(math.log2(number)) - 1) if number < math.inf else math.inf


def _odds(share: float) -> float:
    share = min(max(share, 1e-15), 1.0 - 1e-15)
    return math.log(share / (1.0 - share))


def _weighted(values: Array, part: Any) -> Array:
    return values * part.weight.astype(np.float64) if len(part.weight) else values


def _weights(part: Any) -> Array:
    return part.weight if len(part.weight) else np.broadcast_to(np.float32(1), part.n_rows)


def exact_sum(of: Callable[[Any], Array], parts: Iterable[Any], peers: Peers) -> float:
    """Return the sum of all entries of each part's array to 40 bits below the largest, however they are dealt."""
    most = peers.most([max((float(np.abs(a).max()) for a in map(of, parts) if a.size), default=0.0)])[0]
    if most == 0:
        return 0.0
    scale = 2.0 ** (40 - math.frexp(most)[1])
    total = 0
    for array in map(of, parts):
        for start in range(0, len(array), 2**20):  # 2**40 times 2**20 stays below 2**63
            piece = np.rint(array[start : start + 2**20].astype(np.float64) * scale)
            total += int(piece.astype(np.int64).sum())
    return peers.whole(total) / scale


def _class_weights(values: Mapping[str, Any], parts: Iterable[Any], peers: Peers) -> tuple[float, float]:
    """Return the weights of the positive and the negative class."""
    scale = float(values.get("scale_pos_weight", 1.0))
    if not flag(values.get("is_unbalance", False)):
        return scale, 1.0
    positive = peers.whole(sum(int((part.label > 0).sum()) for part in parts))
    negative = peers.whole(sum(part.n_rows for part in parts)) - positive
    if not positive or not negative:
        return 1.0, 1.0
    return (1.0, positive / negative) if positive > negative else (negative / positive, 1.0)
