"""Histograms of leaves: summed over threads and workers, subtracted, searched for splits.

Every worker, and every thread of it, merges and searches features of its own, so that a histogram travels once and is
read where it lies in cache. What threads do is in `scalable.kernels.histogram.teamwork`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.leaf import Leaf, Sample, Split
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.accumulate import NARROW
from scalable.kernels.histogram.gain import LEAF, NUMBER, SPLIT
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.split_categories import left_categories
from scalable.kernels.histogram.teamwork import (
    FAILED,
    JOB,
    MERGE,
    PARTITION,
    QUESTION,
    SEARCH,
    STOP,
    SUBTRACT,
    SUM,
    Layout,
    Mine,
    Team,
    lead,
    serve,
)

Found = tuple[int, Split | None]  # a feature and its split; -1 for none


class Question(NamedTuple):
    """A leaf to be searched.

    Attributes
    ----------
    leaf : Leaf
    features : int64 array (n,)
        What may be split on, ascending.
    key : uint64
        For ``extra_trees``.
    """

    leaf: Leaf
    features: NDArray[np.int64]
    key: np.uint64


class Histograms:
    """One histogram a leaf, in memory that is made once for all trees.

    Parameters
    ----------
    bins : Bins
        Of the features.
    parts : sequence of Part
        The rows, one part a thread.
    settings : Settings
        Limits and rules.
    crew : Crew
        One thread a part.
    peers : Peers
        Workers that hold other rows.
    """

    def __init__(
        self, bins: Bins, parts: Sequence[Part], settings: Settings, crew: Crew, peers: Peers
    ) -> None:
        self.bins, self.parts, self.settings, self.crew, self.peers = bins, parts, settings, crew, peers
        n, n_threads = len(bins.features), len(parts)
        self._pool = np.empty((settings.num_leaves, 3, bins.n_bins), np.int64)
        self._own = np.empty((n_threads, 3, bins.n_bins), np.int64)
        self._width = int(bins.features["n_bins"].max(initial=1))
        self._sums = [
            np.zeros((n_threads, len(plane.features), width), np.int64)
            for plane, width in zip(parts[0].planes, (NARROW, self._width), strict=True)
        ]
        self._splits, self._asked = np.zeros((2, n), SPLIT), np.zeros((2, n), np.int64)
        self._categories = np.zeros(1, np.uint8) if bins.has_categories else None
        self._place = np.array([parts[0].place[f] for f in range(n)], np.int64).reshape(n, 2)
        # The first bin of every feature, the first feature of every worker.
        self._edges = [*bins.features["first"].tolist(), bins.n_bins]
        self._owners = [n * w // peers.n_workers for w in range(peers.n_workers + 1)]
        self._units = (1.0, 1.0)

    @contextlib.contextmanager
    def growing(
        self,
        samples: Sequence[Sample],
        packing: Packing,
        units: tuple[float, float],
        features: NDArray[np.int64],
    ) -> Iterator[None]:
        """Keep all threads ready for one tree's jobs; parameters as for `Grower.grow`, `features` the tree's."""
        self._units, self._packing = units, packing
        self._team = self._team_of(features)
        mine = [
            Mine(part.planes[0].arrays, part.planes[1].arrays, sample.packed, sample.rows, sample.scratch)
            for part, sample in zip(self.parts, samples, strict=True)
        ]
        self._mine, self._ordered, self._arrived = mine[0], 0, 0
        team, categories = self._team, self._categories

        def work(k: int) -> None:
            try:
                serve(k, team, mine[k], categories)
            except BaseException:
                team.control[FAILED] = 1  # whoever waits for this thread must not wait for ever
                raise

        with self.crew.beside(work):
            try:
                yield
                if len(self.parts) > 1:
                    self._run(STOP)
            except BaseException:
                team.control[FAILED] = 1
                raise

    def _team_of(self, features: NDArray[np.int64]) -> Team:
        n_threads, zeros = len(self.parts), np.zeros(len(self.parts), np.int64)
        chosen = np.zeros(len(self.bins.features), bool)
        chosen[features] = True
        layouts = [
            Layout(np.flatnonzero(chosen[plane.features]), plane.first, plane.widths, sums)
            for plane, sums in zip(self.parts[0].planes, self._sums, strict=True)
        ]
        low, high = self._owners[self.peers.worker : self.peers.worker + 2]
        every = self._cuts(features, 0, len(self.bins.features))
        own = self._cuts(features[(features >= low) & (features < high)], low, high)
        return Team(
            control=np.zeros(32, np.int64),
            job=np.zeros(1, JOB),
            questions=np.zeros(2, QUESTION),
            leaves=np.zeros(2, LEAF),
            asked=self._asked,
            table=np.zeros(self._width, np.uint8),
            starts=zeros.copy(),
            counts=zeros.copy(),
            lefts=zeros.copy(),
            flushed=zeros.copy(),
            narrow=layouts[0],
            wide=layouts[1],
            chosen=features,
            place=self._place,
            cuts=np.array([every, own]),
            features=self.bins.features,
            rules=self.settings.rules,
            own=self._own,
            pool=self._pool,
            splits=self._splits,
            best=np.full((n_threads, 2, 2), -1),
        )

    def _cuts(self, features: NDArray[np.int64], low: int, high: int) -> list[int]:
        """Share [low, high) out to the threads, as many of `features` to each."""
        n, size = len(features), len(self.parts)
        return [low, *(int(features[n * k // size]) if n else high for k in range(1, size)), high]

    def root(self, root: Leaf) -> None:
        """Sum the histogram of all rows, and the root's totals."""
        team = self._team
        team.starts[:], team.counts[:], team.lefts[:] = root.starts, root.counts, root.counts
        self._run(SUM | MERGE)
        f = int(team.chosen[0])
        totals = self._pool[0][:, self._edges[f] : self._edges[f + 1]].sum(axis=1)
        root.gradient, root.hessian, root.count = self.peers.total(totals).tolist()
        self._reduce(0)

    def search(self, question: Question) -> None:
        """Give a leaf, whose histogram is known, the best split."""
        self._ask([question])
        self._run(SEARCH)
        self._choose([question])

    def split(self, leaf: Leaf, left: Leaf, right: Leaf, wanted: Sequence[Question]) -> None:
        """Deal a leaf's rows to its children and find the best splits of those that are `wanted`."""
        team = self._team
        assert leaf.goes_left is not None
        team.starts[:], team.counts[:], team.table[:] = leaf.starts, leaf.counts, leaf.goes_left
        small, large = (left, right) if left.count <= right.count else (right, left)
        small.histogram = right.number
        rest = (leaf.feature, small.histogram, large.histogram, small is left)
        if not wanted:
            self._run(PARTITION, *rest)
        else:
            self._ask(wanted)
            if self.peers.n_workers == 1:
                self._run(PARTITION | SUM | MERGE | SUBTRACT | SEARCH, *rest)
            else:
                self._run(PARTITION | SUM | MERGE, *rest)
                self._reduce(small.histogram)
                self._run(SUBTRACT | SEARCH, *rest)
        left.counts = team.lefts.tolist()
        right.starts = [start + n for start, n in zip(leaf.starts, left.counts, strict=True)]
        right.counts = [count - n for count, n in zip(leaf.counts, left.counts, strict=True)]
        self._choose(wanted)

    def _run(
        self, phases: int, feature: int = 0, small: int = 0, large: int = 0, small_left: bool = True
    ) -> None:
        """Have all threads do a job."""
        team, packing, n_threads = self._team, self._packing, len(self.parts)
        self._ordered += 1
        self._arrived += n_threads if phases & MERGE else 0
        wide, column = self.parts[0].place[feature] if phases & PARTITION else (0, 0)
        team.job[0] = (
            phases, wide, column, small_left, small, large, self._arrived, packing.count_bits, packing.hessian_bits
        )  # fmt: skip
        if not lead(self._ordered, team, self._mine, self._categories):
            raise RuntimeError("a thread that grows trees has failed")

    def _ask(self, questions: Sequence[Question]) -> None:
        """Write down which leaves the next job searches."""
        team = self._team
        for turn in range(2):
            if turn < len(questions):
                leaf, features, key = questions[turn]
                team.questions[turn] = (leaf.histogram, len(features), key)
                team.leaves[turn] = leaf.totals(self._units)
                team.asked[turn, : len(features)] = features
            else:
                team.questions[turn] = (0, 0, 0)

    def _reduce(self, histogram: int) -> None:
        """Sum all workers' histograms of the features that are this worker's."""
        if self.peers.n_workers > 1:
            self.peers.reduce(self._pool[histogram], [self._edges[f] for f in self._owners])

    def _choose(self, questions: Sequence[Question]) -> None:
        """Give each leaf the best split that any thread of any worker found."""
        best = self._team.best.tolist()
        for turn, question in enumerate(questions):
            leaf, splits = question.leaf, self._splits[turn]
            found: list[Found] = [
                (f, Split(*splits[f].item())) for thread in best for f in thread[turn] if f >= 0
            ]
            leaf.feature, leaf.split = -1, None
            for other in found:
                leaf.feature, leaf.split = self._better((leaf.feature, leaf.split), other)
        if self.peers.n_workers > 1 and questions:
            self._choose_of_all([question.leaf for question in questions])

    def _choose_of_all(self, leaves: Sequence[Leaf]) -> None:
        """Give leaves the best splits that any worker found: one exchange for all of them."""
        # Only who found a split has the histogram that says which categories go left; a threshold says it all.
        width = self._width if self.bins.has_categories else 0
        kind = np.dtype([("feature", "i8"), ("split", SPLIT), ("goes_left", "u1", (width,))])
        offers = np.zeros(len(leaves), kind)
        for offer, leaf in zip(offers, leaves, strict=True):
            offer["feature"] = leaf.feature
            if leaf.split is not None:
                offer["split"] = tuple(leaf.split)
                if width:
                    offer["goes_left"] = self.goes_left(leaf)
            leaf.feature, leaf.split = -1, None
        for part in self.peers.gather(offers.tobytes()):
            for other, leaf in zip(np.frombuffer(part, kind), leaves, strict=True):
                split = Split(*other["split"].item()) if other["feature"] >= 0 else None
                best = self._better((leaf.feature, leaf.split), (int(other["feature"]), split))
                if best[0] != leaf.feature:
                    (leaf.feature, leaf.split), leaf.goes_left = best, other["goes_left"] if width else None

    @staticmethod
    def _better(one: Found, other: Found) -> Found:
        """Return what gains more; of equals the first feature."""
        if one[1] is None or other[1] is None:
            return other if one[1] is None else one
        return max((one, other), key=lambda found: (0.0 if found[1] is None else found[1].gain, -found[0]))

    def goes_left(self, leaf: Leaf) -> NDArray[np.uint8]:
        """Return 1 for the bins that a leaf's best split sends left, 0 for the others."""
        if leaf.goes_left is not None:
            return leaf.goes_left
        table, split = np.zeros(self._width, np.uint8), leaf.split
        assert split is not None
        if split.kind == NUMBER:
            table[: split.threshold + 1] = 1
            if self.bins.features["missing"][leaf.feature]:
                table[self.bins.features["n_bins"][leaf.feature] - 1] = split.missing_left
        else:
            feature, record = self.bins.features[leaf.feature], leaf.record(self._units)[0]
            bins = left_categories(
                self._pool[leaf.histogram],
                feature,
                record,
                self.settings.rules[0],
                split.kind,
                split.threshold,
            )
            table[bins] = 1
        return table
