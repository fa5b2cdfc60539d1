"""One boosting iteration: gradients, a tree for every score, renewed leaves, new scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.features import FeatureChoice, hash_key
from scalable.boosting.native.growth.grow import Grower
from scalable.boosting.native.growth.renew import answer
from scalable.boosting.native.growth.sample import Sample
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.objective import Objective
from scalable.boosting.native.order import percentiles_of_rows
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import NO_WEIGHT, Part, Rows
from scalable.boosting.native.sampling import EVERYONE, Sampler
from scalable.boosting.native.settings import Settings, flag
from scalable.errors import DataError
from scalable.kernels.histogram.leaf_sums import add_leaf_values, leaf_sums
from scalable.kernels.histogram.objectives import GIVEN, extremes, softmax_gradients
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.partition import NO_LEAF, chosen_rows, mark_leaves, number_rows, walk
from scalable.kernels.histogram.rounding import quantise

Array = NDArray[Any]
FINE_BITS = 62  # of a leaf's exact sums, over all rows
# func(iteration, scores (n_scores, n_rows)) -> gradients and hessians, each (n_scores, n_rows), in the dataset's order
Custom = Callable[[int, Array], tuple[Array, Array]]


@dataclass(slots=True)
class Work:
    """Working space of one part, made once: packed gradients, row numbers, leaves.

    Attributes
    ----------
    packed : int64 array (n_rows,)
    rows, scratch : uint32 array (n_rows,)
        `scratch` holds every row's leaf once a tree has grown.
    given : float32 array (n_scores, 2, n_rows) or (1, 2, 0)
        Gradients and hessians that come from elsewhere.
    sampled : uint8 array (n_rows,) or (0,)
        Flags of the rows that take part.
    """

    packed: NDArray[np.int64]
    rows: NDArray[np.uint32]
    scratch: NDArray[np.uint32]
    given: NDArray[np.float32]
    sampled: NDArray[np.uint8] = field(default_factory=lambda: EVERYONE)

    @classmethod
    def of(cls, part: Part, objective: Objective) -> Work:
        """Make the space of a part."""
        n = part.n_rows
        given = objective.record["code"][0] == GIVEN
        shape = (objective.n_scores, 2, n) if given else (1, 2, 0)
        return cls(
            np.empty(n, np.int64), np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(shape, np.float32)
        )


class Boosting:
    """Grows the trees of one model.

    Parameters
    ----------
    rows : Rows
        Filled.
    values : mapping
        LightGBM's parameters.
    settings : Settings
        Of the trees.
    crew : Crew
        One thread a part.
    custom : callable, optional
        Gradients of a custom objective.
    peers : Peers, optional
        Workers that hold other rows.
    continued : bool
        Whether the rows bring scores of earlier trees, and so nothing to start from.
    """

    def __init__(
        self,
        rows: Rows,
        values: Mapping[str, Any],
        settings: Settings,
        crew: Crew,
        custom: Custom | None = None,
        peers: Peers | None = None,
        *,
        continued: bool = False,
    ) -> None:
        self.rows, self.settings, self._crew, self._custom = rows, settings, crew, custom
        self._peers = peers or Peers()
        self.objective = Objective.of(values, rows.parts, self._peers)
        self._sampler = Sampler(settings, self.objective)
        crew.run(lambda p: rows.parts[p].lists.make())
        self._grower = Grower(rows.bins, rows.parts, settings, crew, self._peers)
        self._work = [Work.of(part, self.objective) for part in rows.parts]
        self._continued = continued
        self._n_rows = max(1, self._peers.whole(rows.n_rows))
        self.start = [0.0] * self.objective.n_scores
        self._averages = flag(values.get("boost_from_average", True))
        if self._averages and not continued:
            for k in range(self.objective.n_scores):
                self._start_from_average(k)

    def _start_from_average(self, k: int) -> None:
        """Let the scores of the k-th class begin with what all its labels say."""
        self.start[k] = self._average(k)
        for part in self.rows.parts:
            part.score[k] += self.start[k]

    def _average(self, k: int) -> float:
        parts, share = self.rows.parts, self.objective.percentile
        if math.isnan(share):
            return self.objective.start(parts, self._peers, k)
        label = [part.label.astype(np.float64) for part in parts]
        weight, everyone = (
            [part.weight for part in parts],
            [np.zeros(part.n_rows, np.uint32) for part in parts],
        )
        counts = np.array([self._n_rows])
        return float(percentiles_of_rows(label, weight, everyone, counts, share, self._peers)[0])

    def iterate(self, iteration: int, rate: float) -> list[Tree]:
        """Grow the trees of one iteration and add them to the scores.

        Parameters
        ----------
        iteration : int
            Its number, which all that is random depends on.
        rate : float
            Learning rate.

        Returns
        -------
        list of Tree
            One a score, shrunk; the starting score is in the first iteration's, and in all of a random forest's.
        """
        self._given_gradients(iteration)
        for part, work in zip(self.rows.parts, self._work, strict=True):
            work.sampled = self._sampler.bag(part, iteration, work.sampled)
        if self._sampler.is_goss(iteration, rate):
            self._sampler.goss(iteration, self.rows.parts, self._work, self._peers)
        trees = []
        for k in range(self.objective.n_scores):
            tree = self._tree(iteration, k, rate)
            if (
                iteration == 0
                and len(tree.leaf_value) == 1
                and not (self._averages or self._continued or self.settings.forest)
            ):
                self._start_from_average(k)  # as in LightGBM: where nothing can be split, after all
            if (iteration == 0 or self.settings.forest) and not self._continued:
                tree.leaf_value += self.start[k]
                tree.node_value += self.start[k]
                tree.shrinkage = 1.0
            trees.append(tree)
        return trees

    def _given_gradients(self, iteration: int) -> None:
        """Compute gradients that need all scores of a row, or are the user's."""
        objective, parts = self.objective, self.rows.parts
        if objective.name == "multiclass":

            def one(p: int) -> None:
                softmax_gradients(parts[p].score, parts[p].label, parts[p].weight, self._work[p].given)

            self._crew.run(one)
        elif self._custom is not None:
            both = np.stack(
                self._custom(iteration, self.rows.in_order([part.score for part in parts])), axis=1
            )
            for work, share in zip(self._work, self.rows.deal(both.astype(np.float32)), strict=True):
                work.given[:] = share

    def _arguments(self, p: int, k: int) -> tuple[Any, ...]:
        """Return what the kernels need to know of a part's losses."""
        part, work, objective = self.rows.parts[p], self._work[p], self.objective
        label = (part.label == k).astype(np.float32) if objective.name == "multiclassova" else part.label
        weight = NO_WEIGHT if objective.record["code"][0] == GIVEN else part.weight
        given = work.given[k if len(work.given) > 1 else 0]
        return objective.record, part.score[k], label, weight, work.sampled, given

    def _tree(self, iteration: int, k: int, rate: float) -> Tree:
        """Grow one tree and add it to the k-th score."""
        parts, settings, objective = self.rows.parts, self.settings, self.objective
        number = iteration * objective.n_scores + k
        arguments = [self._arguments(p, k) for p in range(len(parts))]
        most_g, most_h = self._most(arguments)
        if math.isnan(most_g):
            raise DataError(
                f"iteration {iteration}: a gradient or hessian is not finite, or a hessian is below 0; check labels, "
                "weights and the objective, or lower the learning rate"
            )
        constant = objective.constant_hessian and not self._sampler.amplifies
        packing = Packing.of(objective.count_bits, constant_hessian=constant)
        scales = (
            scale_of(packing.gradient_most, most_g),
            1.0 if constant else scale_of(packing.hessian_most, most_h),
        )
        key = hash_key(settings.seeds["rounding"], number)

        def prepare(p: int) -> Sample:
            work = self._work[p]
            quantise(
                *arguments[p],
                parts[p].starts,
                parts[p].first_rows,
                key,
                *scales,
                packing.count_bits,
                packing.hessian_bits,
                work.packed,
            )
            if not len(work.sampled):
                number_rows(work.rows)
                return Sample(work.packed, work.rows, work.scratch)
            n = chosen_rows(work.sampled, work.rows)
            return Sample(work.packed, work.rows[:n], work.scratch)

        samples = self._crew.run(prepare)
        choice = FeatureChoice.of_tree(self.rows.bins, settings, number)
        tree = self._grower.grow(samples, packing, (1 / scales[0], 1 / scales[1]), choice)
        self._renew(tree, arguments, (most_g, most_h))
        tree.leaf_value *= rate
        tree.node_value *= rate
        tree.shrinkage = rate
        if not settings.forest:
            self._crew.run(lambda p: self._add(tree, p, k))
        return tree

    def _most(self, arguments: list[Any]) -> tuple[float, float]:
        """Return what a gradient and a hessian of this tree are at most; NaN where one is not finite."""
        limits = self.objective.limits
        found = self._crew.run(lambda p: extremes(*arguments[p], limits.enough))
        return limits.largest(self._peers.most([float(value) for value in np.max(found, axis=0)]))

    def _renew(self, tree: Tree, arguments: list[Any], most: tuple[float, float]) -> None:
        """Mark every row's leaf and give the leaves their values."""
        parts, room = self.rows.parts, 2**FINE_BITS // self._n_rows
        fine = scale_of(room, most[0]), scale_of(room, most[1])

        def sums(p: int) -> NDArray[np.int64]:
            work, out = self._work[p], np.zeros((tree.n_leaves + 1, 2), np.int64)
            if len(work.sampled):
                work.scratch[:] = NO_LEAF
            mark_leaves(work.rows, tree.starts[:, p].copy(), tree.counts[:, p].copy(), work.scratch)
            leaf_sums(*arguments[p], work.scratch, *fine, out)
            return out[:-1]

        total = self._peers.total(np.sum(self._crew.run(sums), axis=0))
        answer(tree, total, (1 / fine[0], 1 / fine[1]), self.settings)
        if not math.isnan(self.objective.percentile) and tree.n_leaves > 1:
            residuals = [part.label - part.score[0] for part in parts]
            weights = [part.weight for part in parts]
            leaf_of_row = [work.scratch for work in self._work]
            share, counts = self.objective.percentile, tree.leaf_count
            tree.leaf_value = percentiles_of_rows(residuals, weights, leaf_of_row, counts, share, self._peers)

    def _add(self, tree: Tree, p: int, k: int) -> None:
        """Add a tree to a part's scores; rows outside the bag walk down the tree."""
        part, work = self.rows.parts[p], self._work[p]
        if len(work.sampled):
            arrive(part, tree, work.scratch)
        add_leaf_values(tree.leaf_value, work.scratch, part.score[k])


def scale_of(most: int, found: float) -> float:
    """Return the largest power of two by which `found` is at most `most`."""
    return 1.0 if found <= 0 else 2.0 ** (math.frexp(most / found)[1] - 1)


def arrive(part: Part, tree: Tree, leaf_of_row: NDArray[np.uint32]) -> None:
    """Walk rows without a leaf (`NO_LEAF`) down a tree."""
    if tree.n_leaves == 1:
        leaf_of_row[:] = 0
        return
    node_of_row = np.zeros(part.n_rows, np.uint32)
    places = [np.full(len(tree.features), -1, np.int64) for _ in part.planes]
    for node, feature in enumerate(tree.features.tolist()):
        at, place = part.place[feature]
        places[at][node] = place
    # Only where splits are on columns of both widths may a row have to go to and fro.
    used = [(plane, own) for plane, own in zip(part.planes, places, strict=True) if (own >= 0).any()]
    while True:
        for plane, own in used:
            walk(plane.of_rows, own, tree.goes_left, tree.children, leaf_of_row, node_of_row)
        if len(used) == 1 or not (leaf_of_row == NO_LEAF).any():
            return


def add_tree(rows: Rows, tree: Tree, k: int, crew: Crew) -> None:
    """Add a tree to the k-th score of rows it was not grown on."""

    def one(p: int) -> None:
        part = rows.parts[p]
        leaves = np.full(part.n_rows, NO_LEAF)
        arrive(part, tree, leaves)
        add_leaf_values(tree.leaf_value, leaves, part.score[k])

    def some(thread: int) -> None:
        for p in range(thread, len(rows.parts), crew.size):
            one(p)

    crew.run(some)
