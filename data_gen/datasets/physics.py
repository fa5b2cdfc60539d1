"""`physics`: shaped like HIGGS: a collision's measured momenta, masses derived from them, two classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_gen.binary import BinaryChunk, BinaryRecipe
from data_gen.columns import Column, Knob
from data_gen.elementary import exp2f
from data_gen.laws import normal, unit
from data_gen.recipe import makes
from scalable.kernels.jit import kernel

DESCRIPTION = "28 float32: measured momenta and the masses they imply, 53% signal: boosting against linear"

KNOBS = (Knob("prevalence", 0.53, "mean probability of signal", low=1e-5, high=0.9999),)

OBJECTS = ("lepton", "jet_1", "jet_2", "jet_3", "jet_4")
MASSES = ("mass_jj", "mass_jjj", "mass_lv", "mass_jlv", "mass_bb", "mass_wbb", "mass_wwbb")
F = np.float32
_LOG2E = F(math.log2(math.e))
_TURN = F(2 * math.pi)
_ONE = F(1)


@kernel(inline=True)
def thousandth(x: Any) -> Any:
    """Return a float32 rounded to three decimals."""
    return F(np.float64(np.rint(x * F(1000))) / 1000.0)


@kernel(inline=True)
def cosine(x: Any) -> Any:
    """Return cos x, x in radians within a few turns (absolute error below 2e-6)."""
    turns = x * F(1 / (2 * math.pi))
    t = turns - np.rint(turns)
    a = F(0.25) - np.abs(t)  # cos(2 pi t) = sin(2 pi a), a in [-1/4, 1/4]
    y = a * _TURN
    z = y * y
    p = F(2.7557319e-06)
    p = p * z - F(1.9841270e-04)
    p = p * z + F(8.3333333e-03)
    p = p * z - F(1.6666667e-01)
    return y + y * z * p


@kernel(fastmath=True)
def make_momentum(words: Any, scale: Any, out: Any) -> None:
    """Write transverse momenta: log-normal around `scale`, never below 0.2."""
    for i in range(words.size):
        out[i] = thousandth(F(0.2) + min(exp2f(scale + F(0.75) * normal(words[i])), F(60)))


@kernel(fastmath=True)
def make_rapidity(words: Any, out: Any) -> None:
    """Write pseudorapidities: normal(0, 1.05) within +-2.5."""
    for i in range(words.size):
        out[i] = thousandth(min(max(F(1.05) * normal(words[i]), F(-2.5)), F(2.5)))


@kernel(fastmath=True)
def make_angle(words: Any, out: Any) -> None:
    """Write azimuths: uniform on [-pi, pi)."""
    for i in range(words.size):
        out[i] = thousandth(_TURN * (unit(words[i]) - F(0.5)))


@kernel(fastmath=True)
def make_tag(words: Any, high: Any, out: Any) -> None:
    """Write b-tags: zero for half of the jets, else one of two levels."""
    for i in range(words.size):
        u = unit(words[i])
        out[i] = F(0) if u < F(0.5) else (F(1.087) if u < F(0.78) else high)


@kernel(fastmath=True)
def add_vector(momentum: Any, rapidity: Any, angle: Any, total: Any) -> None:
    """Add a massless particle's four-momentum to `total` (4, n) float32: px, py, pz, E."""
    for i in range(momentum.size):
        total[0, i] += momentum[i] * cosine(angle[i])
    for i in range(momentum.size):
        total[1, i] += momentum[i] * cosine(angle[i] - F(math.pi / 2))
    for i in range(momentum.size):
        grow = exp2f(rapidity[i] * _LOG2E)
        total[2, i] += momentum[i] * F(0.5) * (grow - _ONE / grow)
        total[3, i] += momentum[i] * F(0.5) * (grow + _ONE / grow)


@kernel(fastmath=True)
def make_mass(total: Any, out: Any) -> None:
    """Write the invariant mass of a four-momentum."""
    for i in range(out.size):
        square = total[3, i] * total[3, i] - total[2, i] * total[2, i]
        square -= total[0, i] * total[0, i] + total[1, i] * total[1, i]
        out[i] = thousandth(np.sqrt(max(square, F(0))))


@kernel(fastmath=True)
def add_bump(mass: Any, height: Any, middle: Any, width: Any, out: Any) -> None:
    """Add a resonance: `height` at `middle`, falling like a Gaussian of the logarithmic distance."""
    for i in range(mass.size):
        t = (mass[i] - middle) * width
        out[i] += height * exp2f(-(t * t))


@kernel(fastmath=True)
def add_tags(first: Any, second: Any, momentum: Any, out: Any) -> None:
    """Add what tagged jets say, more so when the missing energy is large."""
    for i in range(out.size):
        both = first[i] * second[i]
        out[i] += (
            F(0.35) * both + F(0.5) * min(momentum[i], F(4)) * (both > F(0)) - F(0.3) * (first[i] > F(0))
        )


class PhysicsChunk(BinaryChunk):
    """Rows of `physics`; see `Chunk`."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name in self.recipe.low_level:
            out = np.empty(self.n, np.float32)
            fill, *arguments = self.recipe.low_level[name]
            fill(self.words(name), *arguments, out)
            self._made[name] = out
        return super().__getitem__(name)

    def _vector(self, *objects: str) -> Any:
        total = np.zeros((4, self.n), np.float32)
        for name in objects:
            rapidity = np.zeros(self.n, np.float32) if name == "missing" else self[f"{name}_eta"]
            add_vector(self[f"{name}_pt"], rapidity, self[f"{name}_phi"], total)
        return total

    @makes(*MASSES)
    def _masses(self) -> Any:
        jets = [self._vector(f"jet_{i}") for i in (1, 2, 3, 4)]
        lepton, missing = self._vector("lepton"), self._vector("missing")
        w, dijet, bb = lepton + missing, jets[0] + jets[1], jets[2] + jets[3]
        totals = (dijet, dijet + jets[2], w, w + jets[3], bb, w + bb, w + bb + dijet)
        masses = [np.empty(self.n, np.float32) for _ in totals]
        for total, out in zip(totals, masses, strict=True):
            make_mass(total, out)
        return masses

    @makes("score")
    def _score(self) -> Any:
        out = np.zeros(self.n, np.float32)
        for name, height, middle, width in (
            ("mass_bb", 3.2, 1.8, 0.9),
            ("mass_jj", 1.6, 1.4, 1.1),
            ("mass_wbb", 1.9, 4.5, 0.45),
            ("mass_jlv", -1.4, 2.5, 0.7),
            ("mass_wwbb", -2.0, 9.5, 0.2),
            ("mass_lv", 1.2, 1.0, 1.3),
            ("mass_jjj", -1.0, 3.0, 0.6),
        ):
            add_bump(self[name], F(height), F(middle), F(width), out)
        add_tags(self["jet_3_tag"], self["jet_4_tag"], self["missing_pt"], out)
        return out

    @makes("draw")
    def _draw(self) -> Any:
        return self.bits("signal")


class PhysicsRecipe(BinaryRecipe):
    """`physics` bound to its seed and knobs."""

    chunk_type = PhysicsChunk
    target = "signal"

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        low: dict[str, tuple[Any, ...]] = {}
        columns = []
        for i, thing in enumerate((*OBJECTS[:1], "missing", *OBJECTS[1:])):
            low[f"{thing}_pt"] = (make_momentum, F(-0.3 - 0.12 * i))
            columns.append((f"{thing}_pt", "GeV/100", "transverse momentum, 0.2 plus a log-normal"))
            if thing != "missing":
                low[f"{thing}_eta"] = (make_rapidity,)
                columns.append((f"{thing}_eta", "1", "pseudorapidity, normal(0, 1.05) within +-2.5"))
            low[f"{thing}_phi"] = (make_angle,)
            columns.append((f"{thing}_phi", "rad", "azimuth, uniform"))
            if thing.startswith("jet"):
                low[f"{thing}_tag"] = (make_tag, F(2.0 + 0.1 * i))
                columns.append(
                    (f"{thing}_tag", "1", "b-tag: zero for half of the jets, else one of two levels")
                )
        columns += [
            (m, "GeV/100", "invariant mass of the particles named, from the values above") for m in MASSES
        ]
        self.low_level = low
        label = Column("signal", "int8", "1", "drawn from p(y=1|x) of the row as written", "dictionary")
        self.columns = (*(Column(n, "float32", u, law) for n, u, law in columns), label)


RECIPE = PhysicsRecipe
