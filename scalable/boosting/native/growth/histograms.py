"""Histograms of leaves: summed over threads and workers, subtracted, searched for splits.

Every worker, and every thread of it, merges and searches features of its own, so that a histogram travels once and is
read where it lies in cache. What threads do is in `scalable.kernels.histogram.teamwork`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.sample import Sample
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.accumulate import NARROW_SUMS, apart
from scalable.kernels.histogram.gain import LEAF, SPLIT
from scalable.kernels.histogram.leafwise import (
    ASK,
    LEFT,
    LEFT_BINS,
    N_LEAVES,
    NOTE_ROWS,
    OFFER,
    OFFER_ROUND,
    OPEN_SPLIT,
    RIGHT,
    RUN_JOB,
    SETTLE,
    TAKE_ROUND,
    Growth,
    grow,
    step,
)
from scalable.kernels.histogram.packing import Packing
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
    serve,
)


class _Waiting(NamedTuple):
    """A split whose rows are dealt and whose smaller child is summed here, but not yet over all workers."""

    leaves: tuple[int, int]
    job: NDArray[Any]
    questions: NDArray[Any]
    totals: NDArray[Any]
    asked: NDArray[np.int64]


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
        widths = (NARROW_SUMS, apart(self._width))
        planes = [(n_threads, p.n_dense, width) for p, width in zip(parts[0].planes, widths, strict=True)]
        shapes = [*planes, (n_threads, parts[0].lists.n_bins)]
        edges = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
        self._packed = np.zeros(int(edges[-1]), np.int64)
        views = [self._packed[edges[k] : edges[k + 1]].reshape(shape) for k, shape in enumerate(shapes)]
        self._sums, self._listed = views[:2], parts[0].lists.layout(views[2])
        self._splits, self._asked = np.zeros((2, n), SPLIT), np.zeros((2, n), np.int64)
        self._categories = np.zeros(1, np.uint8) if bins.has_categories else None
        self._place = np.array([parts[0].place[f] for f in range(n)], np.int64).reshape(n, 2)
        self._at = np.zeros((n, 2), np.int64)
        for k, (plane, sums) in enumerate(zip(parts[0].planes, self._sums, strict=True)):
            dense, width = plane.features[: plane.n_dense], sums.shape[2]
            self._at[dense, 0] = edges[k] + np.arange(len(dense)) * width
            self._at[dense, 1] = len(dense) * width
        listed = self._listed.place >= 0
        self._at[listed, 0] = edges[2] + self._listed.first[self._listed.place[listed]]
        self._at[listed, 1] = parts[0].lists.n_bins
        # The first bin of every feature, the first feature of every worker.
        self._edges = [*bins.features["first"].tolist(), bins.n_bins]
        self._owners = [n * w // peers.n_workers for w in range(peers.n_workers + 1)]
        self._round = (0, 0)  # leaves of the round at hand, and the first that it adds
        self._waiting: list[_Waiting] = []

    @contextlib.contextmanager
    def growing(
        self,
        growth: Growth,
        samples: Sequence[Sample],
        packing: Packing,
        features: NDArray[np.int64],
    ) -> Iterator[None]:
        """Keep all threads ready for one tree's jobs; parameters as for `Grower.grow`, `features` the tree's."""
        self._growth, self._team = growth, self._team_of(features)
        self._waiting = []
        self._team.job["count_bits"], self._team.job["hessian_bits"] = (
            packing.count_bits,
            packing.hessian_bits,
        )
        mine = [
            Mine(
                part.planes[0].arrays,
                part.planes[1].arrays,
                part.lists.arrays,
                one.packed,
                one.rows,
                one.scratch,
            )
            for part, one in zip(self.parts, samples, strict=True)
        ]
        self._mine = mine[0]
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
            Layout(np.flatnonzero(chosen[plane.features[: plane.n_dense]]), plane.first, plane.widths, sums)
            for plane, sums in zip(self.parts[0].planes, self._sums, strict=True)
        ]
        listed = self._listed._replace(chosen=self._listed.place[chosen & (self._listed.place >= 0)])
        low, high = self._owners[self.peers.worker : self.peers.worker + 2]
        every = self._cuts(features, 0, len(self.bins.features))
        own = self._cuts(features[(features >= low) & (features < high)], low, high)
        runs = self._runs(features, every)
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
            listed=listed,
            chosen=features,
            place=self._place,
            runs=runs,
            run_cuts=np.searchsorted(runs[:, 0], every),
            cuts=np.array(own),
            features=self.bins.features,
            rules=self.settings.rules,
            sums=self._packed,
            at=self._at,
            own=self._own,
            pool=self._pool,
            splits=self._splits,
            best=np.full((n_threads, 2, 2), -1),
        )

    def _cuts(self, features: NDArray[np.int64], low: int, high: int) -> list[int]:
        """Share [low, high) out to the threads, as many of `features` to each."""
        n, size = len(features), len(self.parts)
        return [low, *(int(features[n * k // size]) if n else high for k in range(1, size)), high]

    def _runs(self, features: NDArray[np.int64], cuts: Sequence[int]) -> NDArray[np.int64]:
        """Return first feature and bins of features that can be moved together, none across a cut."""
        place, n_bins = self._listed.place[features], self.bins.features["n_bins"][features]
        joined = (np.diff(features) == 1) & (np.diff(place) == 1) & (place[:-1] >= 0)
        begins = np.flatnonzero(np.concatenate([[True], ~joined | np.isin(features[1:], cuts)]))
        return np.column_stack([features[begins], np.add.reduceat(n_bins, begins)])

    def root(self) -> None:
        """Sum the histogram of all rows, and the root's totals."""
        team, growth = self._team, self._growth
        team.starts[:], team.counts[:], team.lefts[:] = growth.starts[0], growth.counts[0], growth.counts[0]
        team.job["small"], team.job["small_left"] = 0, 1
        self._run(SUM | MERGE)
        of_any = team.features[team.chosen[0]]
        totals = team.pool[0, :, of_any["first"] : of_any["first"] + of_any["n_bins"]].sum(1)
        root = growth.totals[0]
        root["gradient"], root["hessian"], root["count"] = self.peers.total(totals).tolist()
        self._reduce([0])

    def ask(self, turn: int, leaf: int) -> bool:
        """Have the next search look at a leaf where it can be split; return whether."""
        return bool(self._step(ASK, turn, leaf))

    def asks(self, turn: int) -> bool:
        """Return whether the next search looks at the leaf of this turn."""
        return bool(self._team.questions["n_asked"][turn])

    def choose(self, turn: int, features: NDArray[np.int64], key: np.uint64) -> None:
        """Have it look at the splittable of these features only; `key` draws the thresholds of ``extra_trees``."""
        features = features[self._growth.splittable[self._growth.state[LEFT + turn], features] > 0]
        self._team.asked[turn, : len(features)] = features
        question = self._team.questions[turn]
        question["n_asked"], question["key"] = len(features), key

    def search(self) -> None:
        """Find the best split of the root, which has been asked for."""
        self._team.questions["n_asked"][1] = 0
        if self.asks(0):
            self._run(SEARCH)
        self._settle(0)
        self._settle_by_all([0] if self.asks(0) else [])
        self._step(OFFER, 0)

    def grow(self) -> None:
        """Split leaves until none may be split."""
        found = grow(self._team, self._mine, self._growth, self._categories)
        if found:
            self._failed(found)

    def take(self) -> list[int]:
        """Begin a round: return the leaves that are split in it."""
        first = int(self._growth.state[N_LEAVES])
        self._round = (self._step(TAKE_ROUND), first)
        return [int(leaf) for leaf in self._growth.taken[: self._round[0]]]

    def open(self, leaf: int) -> None:
        """Make a leaf's children, whose best splits are asked for where they may be split."""
        self._step(OPEN_SPLIT, leaf)

    def split(self) -> None:
        """Deal the rows of the leaf that was opened to its children and sum the smaller one's."""
        team, growth = self._team, self._growth
        phases, alone = int(team.job["phases"][0]), self.peers.n_workers == 1
        self._run(phases if alone else phases & (PARTITION | SUM | MERGE))
        left, right = growth.state[LEFT : RIGHT + 1].tolist()
        gone = self._step(NOTE_ROWS)
        if alone or phases == PARTITION:
            if alone and gone != growth.totals["count"][left]:
                self._failed(right)
            self._settle(left, right)
        else:
            asked = team.job, team.questions, team.leaves, team.asked
            self._waiting.append(_Waiting((left, right), *(array.copy() for array in asked)))

    def close(self) -> None:
        """End a round: find the best splits of its leaves' children, with two exchanges for all of them."""
        team, searched = self._team, list[int]()
        if self._waiting:
            self._reduce([int(one.job["small"][0]) for one in self._waiting])
        for one in self._waiting:
            for array, kept in zip((team.job, team.questions, team.leaves, team.asked), one[1:], strict=True):
                array[:] = kept
            self._run(SUBTRACT | SEARCH)
            self._settle(*one.leaves)
            searched += one.leaves
        self._settle_by_all(searched)
        self._step(OFFER_ROUND, *self._round)
        self._waiting = []

    def _failed(self, right: int) -> None:
        if right < 0:
            raise RuntimeError("a thread that grows trees has failed")
        raise AssertionError(f"leaf {right} has other rows than its parent's histogram counted")

    def _run(self, phases: int) -> None:
        """Have all threads do phases of a job."""
        if not self._step(RUN_JOB, phases):
            self._failed(-1)

    def _settle(self, *leaves: int) -> None:
        for turn, leaf in enumerate(leaves):  # the root, or the children of a split
            self._step(SETTLE, turn, leaf)

    def _step(self, what: int, first: int = 0, second: int = 0) -> int:
        return int(step(what, first, second, self._team, self._mine, self._growth, self._categories))

    def _reduce(self, histograms: Sequence[int]) -> None:
        """Sum all workers' histograms of the features that are this worker's."""
        if self.peers.n_workers > 1:
            self.peers.reduce(self._pool, histograms, [self._edges[f] for f in self._owners])

    def _settle_by_all(self, leaves: Sequence[int]) -> None:
        """Give leaves the best splits that any worker found, in one exchange."""
        growth = self._growth
        if self.peers.n_workers == 1 or not leaves:
            return
        # Only who found a split has the histogram that says which categories go left; a threshold says it all.
        width = growth.told.shape[1] if len(growth.told) else 0
        kind = np.dtype([("feature", "i8"), ("split", SPLIT), ("goes_left", "u1", (width,))])
        offers = np.zeros(len(leaves), kind)
        for offered, leaf in zip(offers, leaves, strict=True):
            offered["feature"] = growth.leaves["feature"][leaf]
            if offered["feature"] >= 0:
                offered["split"] = growth.splits[leaf]
                if width:
                    self._step(LEFT_BINS, leaf)
                    offered["goes_left"] = self._team.table
        found = np.array([np.frombuffer(part, kind) for part in self.peers.gather(offers.tobytes())])
        for turn, leaf in enumerate(leaves):
            self._take_best(leaf, found[:, turn])

    def _take_best(self, leaf: int, offers: NDArray[Any]) -> None:
        """Give a leaf what gains most; of equals the first feature."""
        growth, offers = self._growth, offers[offers["feature"] >= 0]
        if len(offers):
            best = offers[np.lexsort((offers["feature"], -offers["split"]["gain"]))[0]]
            growth.splits[leaf], growth.gains[leaf] = best["split"], best["split"]["gain"]
            growth.leaves["feature"][leaf] = best["feature"]
            if len(growth.told):
                growth.told[leaf], growth.leaves["is_told"][leaf] = best["goes_left"], 1
