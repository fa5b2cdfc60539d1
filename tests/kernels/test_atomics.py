"""Two threads hand a number to and fro, and one that fails leaves nobody waiting."""

import threading

import numpy as np

from scalable.kernels.atomics import add, store, wait
from scalable.kernels.jit import kernel

A, B, FAILED = 0, 8, 16


@kernel(cache=False)
def play(words: np.ndarray, mine: int, other: int, rounds: int, sums: np.ndarray) -> bool:
    """Raise `mine` once `other` has reached it, again and again; `sums` is touched by one at a time."""
    for k in range(rounds):
        if not wait(words, other, k + (mine > other), FAILED):
            return False
        sums[0] += 1
        store(words, np.uint64(mine), k + 1)
    return True


@kernel(cache=False)
def count(words: np.ndarray, n: int) -> int:
    for _ in range(n):
        add(words, np.uint64(0), 2)
    return add(words, np.uint64(0), 0)


def side_by_side(*works):
    results = [None] * len(works)

    def run(k):
        results[k] = works[k]()

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_what_one_wrote_the_other_sees():
    words, sums = np.zeros(32, np.int64), np.zeros(1, np.int64)
    n = 2000
    assert side_by_side(lambda: play(words, A, B, n, sums), lambda: play(words, B, A, n, sums)) == [
        True,
        True,
    ]
    assert sums[0] == 2 * n
    assert words[[A, B]].tolist() == [n, n]


def test_nobody_waits_for_one_who_failed():
    words, sums = np.zeros(32, np.int64), np.zeros(1, np.int64)
    words[FAILED] = 1
    assert not play(words, B, A, 1, sums)


def test_no_addition_is_lost():
    words = np.zeros(8, np.int64)
    side_by_side(*(lambda: count(words, 10_000) for _ in range(3)))
    assert words[0] == 60_000
