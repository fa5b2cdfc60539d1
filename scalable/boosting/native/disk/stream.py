"""Boosting on rows that lie on disk: a few passes a tree, the same bits as in memory.

A pass reads every piece once. The first of a tree adds the tree before to the scores; each sums the histograms of all
nodes that leaf-wise growth is known to come to next; the last sums what the leaves answer. In memory are the number of
every row's node (two bytes) and the histograms.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.boost import FINE_BITS, scale_of
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.disk.nodes import Nodes
from scalable.boosting.native.disk.pieces import Piece, Pieces
from scalable.boosting.native.growth.features import FeatureChoice, hash_key
from scalable.boosting.native.growth.renew import alone, answer
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.objective import Objective
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.sampling import EVERYONE
from scalable.boosting.native.settings import Settings, flag
from scalable.errors import DataError
from scalable.kernels.histogram.accumulate import NARROW_SUMS, apart
from scalable.kernels.histogram.leaf_sums import add_leaf_values, leaf_sums
from scalable.kernels.histogram.lists import RowLists
from scalable.kernels.histogram.objectives import extremes
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.passes import Descent, descend, sum_nodes
from scalable.kernels.histogram.rounding import quantise
from scalable.kernels.histogram.teamwork import Layout, Mine

NO_GIVEN = np.empty((2, 0), np.float32)
NO_LISTS = RowLists(np.zeros(1, np.int64), np.empty(0, np.uint16))
# work(thread, piece's number, piece, its scores) -> whether the scores were changed
Visit = Callable[[int, int, Piece, NDArray[np.float64]], bool]


class StreamedBoosting:
    """Grows the trees of one model of one score.

    Parameters
    ----------
    pieces : Pieces
        Filled.
    values, settings
        As for `scalable.boosting.native.boost.Boosting`.
    crew : Crew
        Threads; each reads pieces of its own.
    continued : bool
        Whether the rows bring scores of earlier trees, and so nothing to start from.
    """

    def __init__(
        self, pieces: Pieces, values: Mapping[str, Any], settings: Settings, crew: Crew, *, continued: bool
    ) -> None:
        self._pieces, self._settings, self._crew, self._continued = pieces, settings, crew, continued
        self.objective = Objective.of(values, pieces, Peers())
        self._averages = flag(values.get("boost_from_average", True))
        starts = self._averages and not continued
        self.start = [self.objective.start(pieces, Peers(), 0) if starts else 0.0]
        # What every row's score still lacks, by the number that stands in `_node`: at first where training starts.
        self._lacks = np.array(self.start)
        self._node = [np.zeros(pieces.rows_of(k), np.uint16) for k in range(len(pieces))]
        self._up: set[int] = set()  # pieces whose scores lack nothing
        self._forward = True
        narrow, wide = pieces.layout.planes
        self._width = int(pieces.bins.features["n_bins"].max(initial=1))
        self._sums = [
            [
                np.zeros((1, len(plane.features), n), np.int64)
                for plane, n in ((narrow, NARROW_SUMS), (wide, apart(self._width)))
            ]
            for _ in range(crew.size)
        ]

    def iterate(self, iteration: int, rate: float) -> list[Tree]:
        """Grow the tree of one iteration; see `scalable.boosting.native.boost.Boosting.iterate`."""
        objective, pieces = self.objective, self._pieces
        most = self._most()
        if math.isnan(most[0]):
            raise DataError(
                f"iteration {iteration}: a gradient or hessian is not finite, or a hessian is below 0; check labels, "
                "weights and the objective, or lower the learning rate"
            )
        packing = Packing.of(objective.count_bits, constant_hessian=objective.constant_hessian)
        scales = (
            scale_of(packing.gradient_most, most[0]),
            1.0 if objective.constant_hessian else scale_of(packing.hessian_most, most[1]),
        )
        key = hash_key(self._settings.seeds["rounding"], iteration)
        chosen = FeatureChoice.of_tree(pieces.bins, self._settings, iteration).features
        nodes, waiting = self._nodes(chosen, packing, scales, key)
        order = nodes.order()
        while order.missing:
            waiting += order.missing
            if small := self._split(nodes, order.missing):
                sums = self._histograms(nodes, waiting, small, packing, scales, key)
                waiting = []
                for slot, (node, (child, other)) in enumerate(small.items()):
                    histogram = nodes.nodes[node].histogram
                    assert histogram is not None
                    for own, found in ((child, sums[slot]), (other, histogram - sums[slot])):
                        if nodes.can_split(own):
                            nodes.search(own, found)
                    nodes.nodes[node].histogram = None
            order = nodes.order()
        tree, leaf_of = nodes.tree(order)
        self._renew(tree, nodes.descent(waiting, pieces.layout.place), leaf_of, most)
        tree.leaf_value *= rate
        tree.node_value *= rate
        tree.shrinkage = rate
        self._lacks = tree.leaf_value.copy()
        if iteration == 0 and not self._continued:
            if len(tree.leaf_value) == 1 and not self._averages:  # where nothing can be split, after all
                self.start = [objective.start(pieces, Peers(), 0)]
                self._lacks += self.start[0]
            tree.leaf_value += self.start[0]
            tree.node_value += self.start[0]
            tree.shrinkage = 1.0
        return [tree]

    def _split(self, nodes: Nodes, missing: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Split nodes; return those whose children may be split further, with the smaller child and the other."""
        small = {}
        for node in missing:
            left, right = nodes.divide(node)
            if nodes.can_split(left) or nodes.can_split(right):
                counts = nodes.totals["count"]
                small[node] = (left, right) if counts[left] <= counts[right] else (right, left)
        return small

    def _nodes(
        self, chosen: NDArray[np.int64], packing: Packing, scales: tuple[float, float], key: np.uint64
    ) -> tuple[Nodes, list[int]]:
        """Return the root with its best split, and the nodes whose rows still stand above."""
        nodes, settings = Nodes(self._pieces.bins, self._settings, chosen), self._settings
        units = (1 / scales[0], 1 / scales[1])
        if len(chosen):
            histogram = self._histograms(nodes, [], {0: (0, 0)}, packing, scales, key)[0]
            f = nodes.bins.features[chosen[0]]
            totals = histogram[:, f["first"] : f["first"] + f["n_bins"]].sum(axis=1).tolist()
            nodes.totals[0] = (*totals, *units, 0.0, -np.inf, np.inf)
            if settings.rules["path_smooth"][0] > 0:
                nodes.totals["output"][0] = alone(totals[0], totals[1], units, settings)
            if nodes.can_split(0):
                nodes.search(0, histogram)
        else:
            nodes.totals[0] = (0, 0, self._pieces.n_rows, *units, 0.0, -np.inf, np.inf)
        return nodes, []

    def _histograms(
        self,
        nodes: Nodes,
        waiting: Sequence[int],
        small: Mapping[int, tuple[int, int]],
        packing: Packing,
        scales: tuple[float, float],
        key: np.uint64,
    ) -> NDArray[np.int64]:
        """Send the rows down the nodes they wait at and sum the histogram of each first of `small`, in its order."""
        pieces, layout, n_bins = self._pieces, self._pieces.layout, self._pieces.bins.n_bins
        descent = nodes.descent(waiting, layout.place)
        slot_of = np.full(len(nodes.nodes), -1)
        slot_of[[child for child, _ in small.values()]] = np.arange(len(small))
        found = np.zeros((self._crew.size, len(small), 3, n_bins), np.int64)
        drawn = np.zeros(len(pieces.bins.features), bool)
        drawn[nodes.chosen] = True

        def visit(thread: int, k: int, piece: Piece, scores: NDArray[np.float64]) -> bool:
            node, changed = self._node[k], self._bring_up(k, scores)
            descend(piece.narrow.matrix, piece.wide.matrix, descent, node)
            packed = np.empty(piece.n_rows, np.int64)
            quantise(
                self.objective.record, scores, piece.label, piece.weight, EVERYONE, NO_GIVEN, piece.starts,
                piece.first_rows, key, *scales, packing.count_bits, packing.hessian_bits, packed,
            )  # fmt: skip
            space = np.empty(piece.n_rows, np.uint32)
            layouts = tuple(
                Layout(np.flatnonzero(drawn[plane.features]), plane.first, plane.widths, sums)
                for plane, sums in zip(layout.planes, self._sums[thread], strict=True)
            )
            mine = Mine(piece.narrow, piece.wide, NO_LISTS, packed, space, space)
            sum_nodes(mine, layouts, node, slot_of, packing.count_bits, packing.hessian_bits, found[thread])
            return changed

        self._visit(visit)
        return np.asarray(found.sum(axis=0))

    def _most(self) -> tuple[float, float]:
        """Return what a gradient and a hessian are at most; NaN where one is not finite."""
        limits, found = self.objective.limits, np.zeros((self._crew.size, 2))

        def visit(thread: int, k: int, piece: Piece, scores: NDArray[np.float64]) -> bool:
            changed = self._bring_up(k, scores)
            one = extremes(
                self.objective.record, scores, piece.label, piece.weight, EVERYONE, NO_GIVEN, limits.enough
            )
            found[thread] = np.maximum(found[thread], one)
            return changed

        self._visit(visit, lambda: bool((found.max(axis=0) > limits.enough).all()))
        return limits.largest(found.max(axis=0).tolist())

    def _bring_up(self, k: int, scores: NDArray[np.float64]) -> bool:
        """Add to a piece's scores what they lack, once a tree; all rows stand at the root afterwards."""
        if k in self._up:
            return False
        add_leaf_values(self._lacks, self._node[k], scores)
        self._node[k][:] = 0
        self._up.add(k)
        return True

    def _renew(
        self, tree: Tree, descent: Descent, leaf_of: NDArray[np.uint32], most: tuple[float, float]
    ) -> None:
        """Mark every row's leaf and give the leaves their values."""
        room = 2**FINE_BITS // max(1, self._pieces.n_rows)
        fine = scale_of(room, most[0]), scale_of(room, most[1])
        found = np.zeros((self._crew.size, tree.n_leaves + 1, 2), np.int64)

        def visit(thread: int, k: int, piece: Piece, scores: NDArray[np.float64]) -> bool:
            node, changed = self._node[k], self._bring_up(k, scores)
            descend(piece.narrow.matrix, piece.wide.matrix, descent, node)
            leaf = leaf_of[node]
            leaf_sums(
                self.objective.record, scores, piece.label, piece.weight, EVERYONE, NO_GIVEN, leaf, *fine, found[thread]
            )  # fmt: skip
            node[:] = leaf
            return changed

        self._visit(visit)
        self._up.clear()
        answer(tree, found.sum(axis=0)[:-1], (1 / fine[0], 1 / fine[1]), self._settings)

    def _visit(self, visit: Visit, enough: Callable[[], bool] = lambda: False) -> None:
        """Go through all pieces once, each on any thread, or until there is enough.

        Every other time from the end on: what was read last is still in the system's memory.
        """
        order = range(len(self._pieces))[:: 1 if self._forward else -1]
        turns, stop, ahead = iter(range(len(order))), threading.Event(), self._crew.size

        def some(thread: int) -> None:
            try:
                for turn in turns:  # advancing it is atomic
                    if stop.is_set() or enough():
                        return
                    if turn + ahead < len(order):
                        self._pieces.expect(order[turn + ahead])
                    k = order[turn]
                    scores = self._pieces.scores(k)
                    if visit(thread, k, self._pieces[k], scores):
                        self._pieces.put_scores(k, scores)
            except BaseException:
                stop.set()
                raise

        self._crew.run(some)
        if not enough():
            self._forward = not self._forward
