"""Leaf-wise growth of one tree: the leaf that gains most is split next, and no interpreter stands between two splits.

The leaves of a round, those that gain most, are split before any of their children may be; with one leaf a round that
is leaf-wise growth as LightGBM has it. Whoever must do something between the steps of a round (exchange sums with other
workers, draw the features of a node) orders them of `step` one by one; `grow` does them all in one call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.copying import copy_values
from scalable.kernels.histogram.gain import NONE, NUMBER
from scalable.kernels.histogram.split_categories import left_categories
from scalable.kernels.histogram.teamwork import MERGE, PARTITION, SEARCH, SUBTRACT, SUM, lead
from scalable.kernels.jit import kernel

WHOLE = PARTITION | SUM | MERGE | SUBTRACT | SEARCH
# Words of `Growth.state`: leaves so far, those that the split at hand makes, jobs ordered, threads that have summed,
# what a leaf must be to be split, and leaves once the round at hand is over.
N_LEAVES, LEFT, RIGHT, JOBS, SUMMED, MAX_DEPTH, LEAST_ROWS, AFTER_ROUND, N_STATE = range(9)
# Of a leaf: its depth, its histogram, the node above and on which side of it, the feature to split on (-1: none), and
# whether `Growth.told` says which bins go left.
STANDING = np.dtype([(name, "i8") for name in ("depth", "histogram", "parent", "side", "feature", "is_told")])
# What `step` does: the functions called so.
RUN_JOB, OPEN_SPLIT, LEFT_BINS, NOTE_ROWS, SETTLE, ASK, TAKE_ROUND, OFFER, OFFER_ROUND = range(9)


class Growth(NamedTuple):
    """A tree that is growing.

    Attributes
    ----------
    state : int64 array (N_STATE,)
    leaves : record array (most leaves,) of `STANDING`
    totals, splits : record arrays (most leaves,) of `LEAF` and `SPLIT`
        Of `scalable.kernels.histogram.gain`: sums, the best split.
    gains : float64 array (a power of two,)
        Of the best split; minus infinity for none.
    winners : int64 array (twice that,)
        A tournament of leaves by gain: winners[1] gains most, of equals the first.
    taken : int64 array (most leaves of a round,)
        The leaves of the round at hand, those that gain most first.
    starts, counts : int64 arrays (most leaves, n_threads)
        Where each leaf's rows stand in every part.
    splittable : uint8 array (most leaves, n_features)
        0 for features that no split of was found where they were looked at last, at the leaf or above it: as LightGBM
        has it, they are not looked at again below. Penalties of categories would have some come back by chance.
    told : uint8 array (most leaves or 0, most bins)
        Bins that go left, of splits that other workers found.
    nodes : record array (most leaves - 1,) of `SPLIT`
        In the order they were split.
    split_on : int64 array (most leaves - 1,)
        Their features.
    goes_left : uint8 array (most leaves - 1, most bins)
        1 for bins whose rows go left.
    children : int64 array (most leaves - 1, 2)
        ``~leaf`` for leaves.
    """

    state: np.ndarray
    leaves: np.ndarray
    totals: np.ndarray
    splits: np.ndarray
    gains: np.ndarray
    winners: np.ndarray
    taken: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    splittable: np.ndarray
    told: np.ndarray
    nodes: np.ndarray
    split_on: np.ndarray
    goes_left: np.ndarray
    children: np.ndarray


@kernel()
def run_job(phases: int, team: Any, mine: Any, growth: Any, categories: Any) -> Any:
    """Have all threads do some phases of the job at hand; False where a thread has failed."""
    state = growth.state
    team.job[0].phases = phases
    state[JOBS] += 1
    if phases & MERGE:
        state[SUMMED] += team.counts.shape[0]
        team.job[0].arrived = state[SUMMED]
    return lead(state[JOBS], team, mine, categories)


@kernel()
def bins_of_split(
    split: Any, feature: Any, totals: Any, rules: Any, histogram: Any, categories: Any, table: np.ndarray
) -> None:
    """Write 1 for the bins that a split sends left, 0 for the others.

    Parameters
    ----------
    split, feature, totals, rules : records
        See `scalable.kernels.histogram.gain`.
    histogram : int64 array (3, n_bins of all features)
        Of the leaf that is split; looked at for sets of categories only.
    categories : None or any array
        None where no feature is categorical: who has none compiles none.
    table : uint8 array (at least the feature's bins,)
    """
    table[:] = 0
    if split.kind == NUMBER:
        table[: split.threshold + 1] = 1
        if feature.missing:
            table[feature.n_bins - 1] = split.missing_left
    elif categories is not None:
        for b in left_categories(histogram, feature, totals, rules, split.kind, split.threshold):
            table[b] = 1


@kernel()
def left_bins(leaf: int, team: Any, growth: Any, categories: Any) -> None:
    """Write into ``team.table`` which bins a leaf's best split sends left."""
    standing = growth.leaves[leaf]
    if standing.is_told:
        copy_values(growth.told[leaf], team.table)
    else:
        f, histogram = standing.feature, team.pool[standing.histogram]
        bins_of_split(
            growth.splits[leaf], team.features[f], growth.totals[leaf], team.rules[0], histogram, categories, team.table
        )  # fmt: skip


@kernel()
def divide(totals: np.ndarray, left: int, right: int, split: Any, monotone: int) -> None:
    """Turn a leaf's totals into its left child's, and write those of its right child.

    Parameters
    ----------
    totals : record array of `LEAF`
    left, right : int
        The leaf, which becomes the left child, and where the right one goes.
    split : record
        Of the leaf.
    monotone : int
        Sign of the feature's constraint.
    """
    totals[right] = totals[left]
    one, other = totals[left], totals[right]
    other.gradient -= split.gradient
    other.hessian -= split.hessian
    other.count -= split.count
    one.gradient, one.hessian, one.count = split.gradient, split.hessian, split.count
    one.output, other.output = split.left_output, split.right_output
    middle = (split.left_output + split.right_output) / 2
    if monotone > 0:
        one.high = other.low = middle
    elif monotone < 0:
        one.low = other.high = middle


@kernel()
def take_round(growth: Any) -> Any:
    """Take the leaves that are split together, those that gain most, off the tournament; return how many."""
    state, n = growth.state, 0
    most = min(growth.taken.shape[0], growth.leaves.shape[0] - state[N_LEAVES])
    while n < most and growth.gains[growth.winners[1]] > -np.inf:
        leaf = growth.winners[1]
        growth.taken[n] = leaf
        growth.gains[leaf] = -np.inf
        offer(leaf, growth)
        n += 1
    state[AFTER_ROUND] = state[N_LEAVES] + n
    return n


@kernel()
def open_split(leaf: int, team: Any, growth: Any, categories: Any) -> None:
    """Make a leaf's children and the job of splitting it.

    The job has all phases where a child can be split, and only deals the rows where none can.
    """
    state, right = growth.state, growth.state[N_LEAVES]
    standing, node = growth.leaves[leaf], right - 1
    f, split = standing.feature, growth.splits[leaf]
    left_bins(leaf, team, growth, categories)
    copy_values(team.table, growth.goes_left[node])
    growth.nodes[node] = split
    growth.split_on[node] = f
    if standing.parent >= 0:
        growth.children[standing.parent, standing.side] = node
    growth.children[node, 0], growth.children[node, 1] = ~leaf, ~right
    copy_values(growth.starts[leaf], team.starts)
    copy_values(growth.counts[leaf], team.counts)
    copy_values(growth.splittable[leaf], growth.splittable[right])

    divide(growth.totals, leaf, right, split, team.features[f].monotone)
    growth.leaves[right] = standing
    standing.depth += 1
    standing.parent, standing.side = node, 0
    below = growth.leaves[right]
    below.depth, below.parent, below.side = standing.depth, node, 1

    # The smaller child is summed anew, the other keeps what is left of the parent's histogram.
    job, small_left = team.job[0], growth.totals[leaf].count <= growth.totals[right].count
    job.wide, job.column = team.place[f, 0], team.place[f, 1]
    job.small, job.large, job.small_left = right, standing.histogram, small_left
    if small_left:
        standing.histogram = right
    else:
        below.histogram = right
    state[N_LEAVES] = right + 1
    state[LEFT], state[RIGHT] = leaf, right
    last = state[AFTER_ROUND] == growth.leaves.shape[0]
    job.phases = PARTITION
    for turn in range(2):
        if ask(turn, state[LEFT + turn], team, growth, last):
            job.phases = WHOLE


@kernel()
def ask(turn: int, leaf: int, team: Any, growth: Any, last: bool) -> bool:
    """Have the next search look at a leaf, over the tree's features, where it can be split; return whether.

    Those not splittable are left out; of other workers' features this one does not know it.
    """
    state, standing, question = growth.state, growth.leaves[leaf], team.questions[turn]
    shallow = state[MAX_DEPTH] <= 0 or standing.depth < state[MAX_DEPTH]
    question.n_asked = 0
    if last or not shallow or growth.totals[leaf].count < state[LEAST_ROWS]:
        return False
    question.histogram, question.key = standing.histogram, np.uint64(0)
    for f in team.chosen:
        if growth.splittable[leaf, f]:
            team.asked[turn, question.n_asked] = f
            question.n_asked += 1
    team.leaves[turn] = growth.totals[leaf]
    return True


@kernel()
def settle(turn: int, leaf: int, team: Any, growth: Any) -> None:
    """Give a leaf the best split that any thread found: of equals that of the first feature."""
    standing = growth.leaves[leaf]
    standing.feature, standing.is_told = -1, 0
    growth.gains[leaf] = -np.inf
    if team.questions[turn].n_asked == 0:
        return
    for f in team.asked[turn, : team.questions[turn].n_asked]:
        growth.splittable[leaf, f] = team.splits[turn, f].kind != NONE
    for k in range(team.best.shape[0]):
        for kind in range(2):
            f = team.best[k, turn, kind]
            if f < 0:
                continue
            gain, best = team.splits[turn, f].gain, growth.gains[leaf]
            if gain > best or (gain == best and f < standing.feature):
                standing.feature, growth.gains[leaf] = f, gain
                growth.splits[leaf] = team.splits[turn, f]


@kernel()
def offer_round(n: int, first: int, growth: Any) -> None:
    """Enter the children of a round of n leaves, the right ones of which are numbered from `first` on."""
    for k in range(n):
        offer(growth.taken[k], growth)
        offer(first + k, growth)


@kernel()
def offer(leaf: int, growth: Any) -> None:
    """Enter a leaf, or its new gain, in the tournament."""
    at, winners, gains = leaf + growth.gains.shape[0], growth.winners, growth.gains
    winners[at] = leaf
    while at > 1:
        at //= 2
        one, other = winners[2 * at], winners[2 * at + 1]
        better = gains[other] > gains[one] or (gains[other] == gains[one] and other < one)
        winners[at] = other if better else one


@kernel()
def note_rows(team: Any, growth: Any) -> Any:
    """Note the children's rows once they have been dealt; return how many went left."""
    left, right, gone = growth.state[LEFT], growth.state[RIGHT], 0
    for k in range(team.counts.shape[0]):
        n = team.lefts[k]
        growth.starts[right, k] = growth.starts[left, k] + n
        growth.counts[right, k] = growth.counts[left, k] - n
        growth.counts[left, k] = n
        gone += n
    return gone


@kernel()
def grow(team: Any, mine: Any, growth: Any, categories: Any) -> Any:
    """Split leaves, round by round, until none may be split.

    Returns
    -------
    int
        0; -1 where a thread has failed; else the number of the right child that has other rows than were counted.
    """
    state = growth.state
    while True:
        n, first = take_round(growth), state[N_LEAVES]
        if n == 0:
            return 0
        for k in range(n):
            open_split(growth.taken[k], team, growth, categories)
            if not run_job(team.job[0].phases, team, mine, growth, categories):
                return -1
            left, right = state[LEFT], state[RIGHT]
            if note_rows(team, growth) != growth.totals[left].count:
                return right
            settle(0, left, team, growth)
            settle(1, right, team, growth)
        offer_round(n, first, growth)


@kernel()
def step(what: int, first: int, second: int, team: Any, mine: Any, growth: Any, categories: Any) -> Any:
    """Do one step, which `what` names, with its numbers; return what it returns, else 0.

    One kernel for all: to take that many arrays apart is most of what each of them would be.
    """
    if what == RUN_JOB:
        return int(run_job(first, team, mine, growth, categories))
    if what == OPEN_SPLIT:
        open_split(first, team, growth, categories)
    elif what == LEFT_BINS:
        left_bins(first, team, growth, categories)
    elif what == NOTE_ROWS:
        return note_rows(team, growth)
    elif what == SETTLE:
        settle(first, second, team, growth)
    elif what == ASK:
        return int(ask(first, second, team, growth, False))
    elif what == TAKE_ROUND:
        return take_round(growth)
    elif what == OFFER:
        offer(first, growth)
    else:
        offer_round(first, second, growth)
    return 0
