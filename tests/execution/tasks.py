"""What the tests of executors run; importable on the Dask workers."""

import copy
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scalable.data.values import numbers
from scalable.execution import fetching


def settle_fetching():
    """Return when the threads that fetch have done all that they were asked for."""
    together = threading.Barrier(fetching.THREADS)
    for each in [fetching._thread().submit(together.wait, 30) for _ in range(fetching.THREADS)]:
        each.result(timeout=30)


@dataclass(frozen=True)
class FloatSums:
    """Float sums, products and a Gram matrix: any other order of summation gives other bits."""

    names: tuple[str, ...]
    pause: float = 0.0

    def init(self):
        k = len(self.names)
        return {"gram": np.zeros((k, k)), "sums": np.zeros(k, np.float32), "log": 0.0, "rows": []}

    def step(self, state, block):
        if self.pause:
            time.sleep(self.pause)
        x = np.stack([numbers(block.arrays[name]).astype(np.float64) for name in self.names])
        return {
            "gram": state["gram"] + x @ x.T,
            "sums": state["sums"] + x.sum(axis=1).astype(np.float32),
            "log": state["log"] * 0.999 + float(np.log1p(np.abs(x[0])).sum()),
            "rows": [*state["rows"], (block.first_row, block.n_rows)],
        }

    def merge(self, left, right):
        return {
            "gram": left["gram"] + right["gram"],
            "sums": left["sums"] + right["sums"],
            "log": math.fsum([left["log"], 0.1 * right["log"]]),
            "rows": left["rows"] + right["rows"],
        }

    def finish(self, state):
        return state

    def metrics(self, state):
        return {"log": np.float64(state["log"])}


def as_bytes(state):
    """Everything a FloatSums state holds, bit for bit."""
    return state["gram"].tobytes() + state["sums"].tobytes() + repr((state["log"], state["rows"])).encode()


class SpecialError(Exception):
    """What FailAt raises."""


class TimesOut(FloatSums):
    """A task whose own error is a timeout, as of what it asks elsewhere."""

    def step(self, state, block):
        raise TimeoutError("of the task")


@dataclass(frozen=True)
class FailAt:
    """Fails at one row; every step leaves a line in `diary`, so that tests see who went on."""

    row: int
    diary: str
    pause: float = 0.05

    def init(self):
        return 0

    def step(self, state, block):
        with open(self.diary, "a") as file:
            file.write(f"{time.time()} {os.getpid()}\n")
        if block.first_row <= self.row < block.first_row + block.n_rows:
            raise SpecialError(f"row {self.row}")
        time.sleep(self.pause)
        return state + block.n_rows

    def merge(self, left, right):
        return left + right

    def finish(self, state):
        return state


@dataclass(frozen=True)
class DieOnce:
    """Kills its own process with SIGKILL at one row, the first time anyone reaches it."""

    inner: FloatSums
    row: int
    mark: str
    always: bool = False

    def init(self):
        return self.inner.init()

    def step(self, state, block):
        if block.first_row <= self.row < block.first_row + block.n_rows:
            mark = Path(self.mark)
            if self.always or not mark.exists():
                mark.touch()
                os.kill(os.getpid(), 9)
        return self.inner.step(state, block)

    def merge(self, left, right):
        return self.inner.merge(left, right)

    def finish(self, state):
        return self.inner.finish(state)


@dataclass(frozen=True)
class ThreadPools:
    """Reports how many threads BLAS may use where the reduction runs."""

    def init(self):
        return []

    def step(self, state, block):
        from threadpoolctl import threadpool_info

        blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return [*state, (os.getpid(), max(blas))]

    def merge(self, left, right):
        return left + right

    def finish(self, state):
        return state


@dataclass(frozen=True)
class SideBySide:
    """Replicas that reduce, each its own shards; their merge is the list of their states."""

    reduction: object

    def begin(self, start):
        return copy.deepcopy(start)

    def step(self, state, block):
        return self.reduction.step(state, block)

    def merge(self, start, states, n_threads):
        return states


@dataclass(frozen=True)
class Diary:
    """A map that writes down what it is called with; fails at one row, and abandons under a name of its own."""

    place: str
    fail_at: int = -1

    def begin(self, shards):
        return [shard.index for shard in shards], []

    def block(self, state, block):
        if block.first_row <= self.fail_at < block.first_row + block.n_rows:
            raise SpecialError(f"row {self.fail_at}")
        state[1].append((block.first_row, block.n_rows))
        return state

    def end(self, state):
        (Path(self.place) / f"ended-{state[0][0]}").touch()
        return state

    def abandon(self, state, error):
        (Path(self.place) / f"abandoned-{state[0][0]}").touch()


@dataclass(frozen=True)
class CountRows:
    """A task of its own: the rows of each group."""

    def run(self, rows):
        return rows.through_all(0, lambda state, block: state + block.n_rows)
