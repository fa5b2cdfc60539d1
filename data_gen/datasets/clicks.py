"""`clicks`: shaped like an advertiser's log: long-tailed counts and categories of up to 10^7 levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_gen.columns import Column, Knob, Values
from data_gen.optimum.binary import BinaryChunk, BinaryRecipe
from data_gen.recipe import makes
from data_gen.values.elementary import exp2f, log2f
from data_gen.values.laws import fill_zipf, normal, zipf_constants
from data_gen.values.population import Population
from data_gen.values.random import GAMMA, mix
from scalable.kernels.jit import kernel

DESCRIPTION = "13 long-tailed counts, 26 categories of 3 to 10^7 levels, 3% clicks: hashing, high cardinality"

KNOBS = (
    Knob("prevalence", 0.03, "mean probability of a click", low=1e-5, high=0.5),
    Knob("levels", 10_000_000, "levels of the largest category", low=100, high=2**31 - 1),
    Knob("exponent", 1.05, "exponent of the categories' Zipf law", low=0.0, high=3.0),
    Knob("missing", 0.2, "largest fraction of missing counts", low=0.0, high=0.9),
    Knob("world", 0, "which population; two seeds of one world are two samples of it", low=0, high=2**31),
)

N_COUNTS, N_CATEGORIES, N_PAIRS = 13, 26, 6
F = np.float32
BYTE = np.uint64(0xFF)


@kernel(fastmath=True)
def make_count(words: Any, mean: Any, spread: Any, hide: Any, out: Any, valid: Any) -> None:
    """Write counts ``floor(2 ** normal(mean, spread))`` and which are present.

    Parameters
    ----------
    words : (n,) uint32
    mean, spread : float32
    hide : uint32
        Missing when the low byte of the word is below this.
    out, valid : (n,) int32, bool
    """
    for i in range(words.size):
        z = normal((words[i] & np.uint32(0xFFFFFF00)) | np.uint32(128))
        out[i] = np.int32(min(exp2f(mean + spread * z), F(1e9)))
    for i in range(words.size):
        valid[i] = (words[i] & np.uint32(0xFF)) >= hide


@kernel(fastmath=True)
def add_count(count: Any, valid: Any, slope: Any, turn: Any, absent: Any, out: Any) -> None:
    """Add ``slope * |log2(1 + count) - turn|``, or `absent` where the count is missing."""
    for i in range(count.size):
        size = np.abs(log2f(F(1 + count[i])) - turn)
        out[i] += slope * size if valid[i] else absent


@kernel()
def add_id(ids: Any, key0: Any, key1: Any, quantiles: Any, size: Any, out: Any) -> None:
    """Add the effect of each id: a normal value that belongs to it, of standard deviation `size`."""
    for i in range(ids.size):
        h = mix(key0 + np.uint64(ids[i] + 1) * GAMMA, key1)
        out[i] += size * quantiles[np.int32(h & BYTE)]


@kernel()
def add_pair(first: Any, second: Any, key0: Any, key1: Any, quantiles: Any, size: Any, out: Any) -> None:
    """Add the effect of each pair of ids."""
    for i in range(first.size):
        pair = (np.uint64(first[i]) << np.uint64(32)) + np.uint64(second[i] + 1)
        h = mix(key0 + pair * GAMMA, key1)
        out[i] += size * quantiles[np.int32(h & BYTE)]


def count_name(i: int) -> str:
    """Return the name of a count column."""
    return f"count_{i + 1:02d}"


def category_name(i: int) -> str:
    """Return the name of a category column."""
    return f"category_{i + 1:02d}"


class ClicksChunk(BinaryChunk):
    """Rows of `clicks`; see `Chunk`."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name.startswith(("count_", "category_")):
            make = self._count if name.startswith("count_") else self._category
            self._made[name] = make(name, int(name[-2:]) - 1)
        return super().__getitem__(name)

    def _count(self, name: str, i: int) -> Values:
        out, valid = np.empty(self.n, np.int32), np.empty(self.n, np.bool_)
        r = self.recipe
        make_count(self.words(name), r.count_mean[i], r.count_spread[i], r.count_hide[i], out, valid)
        return Values(out, valid)

    def _category(self, name: str, i: int) -> Any:
        levels = self.recipe.levels[i]
        out = np.empty(self.n, np.int32)
        constants = zipf_constants(levels, self.recipe.knobs["exponent"])
        fill_zipf(self.bits(name), *constants, np.int32(levels - 1), out)
        return out

    @makes("score")
    def _score(self) -> Any:
        r, out = self.recipe, np.zeros(self.n, np.float32)
        for i in range(N_COUNTS):
            add_count(*self[count_name(i)], r.slope[i], r.turn[i], r.absent[i], out)
        quantiles = r.world.quantiles
        for i in range(N_CATEGORIES):
            key = r.world.stream(f"effect of {category_name(i)}")
            add_id(self[category_name(i)], key.key0, key.key1, quantiles, r.id_size[i], out)
        for i, (a, b) in enumerate(r.pairs):
            key = r.world.stream(f"effect of pair {i}")
            add_pair(
                self[category_name(a)], self[category_name(b)], key.key0, key.key1, quantiles, F(0.3), out
            )
        return out

    @makes("draw")
    def _draw(self) -> Any:
        return self.bits("click")


class ClicksRecipe(BinaryRecipe):
    """`clicks` bound to its seed and knobs."""

    chunk_type = ClicksChunk
    target = "click"

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        self.world = Population(self.knobs["world"], "clicks")
        top = self.knobs["levels"]
        self.levels = [max(3, round(top ** (1 - i / 27))) for i in range(N_CATEGORIES)]
        draw = self.world.uniforms
        self.count_mean = F(0.5) + F(7) * draw("count mean", N_COUNTS)
        self.count_spread = F(1) + F(2) * draw("count spread", N_COUNTS)
        self.count_hide = (256 * self.knobs["missing"] * draw("count missing", N_COUNTS)).astype(np.uint32)
        self.slope = self.world.effects("slope", N_COUNTS, 0.12)
        self.turn = self.count_mean * draw("turn", N_COUNTS)
        self.absent = self.world.effects("absent", N_COUNTS, 0.3)
        self.id_size = F(0.08) + F(0.24) * draw("size of id effects", N_CATEGORIES)
        self.pairs = [(2 * i + 5, 2 * i + 12) for i in range(N_PAIRS)]
        counts = [
            Column(count_name(i), "int32", "1", "floor of a log-normal; part missing completely at random",
                   nullable=True)
            for i in range(N_COUNTS)
        ]  # fmt: skip
        categories = [
            Column(category_name(i), "int32", "id", f"Zipf over {n:,} levels, 0 the most frequent",
                   "dictionary" if n <= 4096 else "plain")
            for i, n in enumerate(self.levels)
        ]  # fmt: skip
        label = Column("click", "int8", "1", "drawn from p(y=1|x) of the row as written", "dictionary")
        self.columns = (*counts, *categories, label)


RECIPE = ClicksRecipe
