"""`physics`: shaped like HIGGS: a collision's measured momenta, masses derived from them, two classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_gen.columns import Column, Knob
from data_gen.optimum.binary import BinaryChunk, BinaryRecipe
from data_gen.recipe import makes
from data_gen.values.elementary import exp2f
from data_gen.values.laws import normal, unit
from scalable.kernels.jit import kernel

DESCRIPTION = "28 float32: measured momenta and the masses they imply, 53% signal: boosting against linear"

KNOBS = (Knob("prevalence", 0.53, "mean probability of signal", low=1e-5, high=0.9999),)

OBJECTS = ("lepton", "jet_1", "jet_2", "jet_3", "jet_4")
MASSES = ("mass_jj", "mass_jjj", "mass_lv", "mass_jlv", "mass_bb", "mass_wbb", "mass_wwbb")
F = np.float32
_LOG2E = F(math.log2(math.e))
_TURN = F(2 * math.pi)
_ONE = F(1)
TILE = 256  # rows


@kernel(inline=True)
def thousandth(x: Any) -> Any:
    """Return a float32 rounded to three decimals."""
    return F(np.float64(np.rint(x * F(1000))) * 1e-3)


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
def make_vector(momentum: Any, rapidity: Any, angle: Any, out: Any) -> None:
    """Write a massless particle's four-momentum to `out` (4, n) float32: px, py, pz, E."""
    for i in range(momentum.size):
        out[0, i] = momentum[i] * cosine(angle[i])
    for i in range(momentum.size):
        out[1, i] = momentum[i] * cosine(angle[i] - F(math.pi / 2))
    for i in range(momentum.size):
        grow = exp2f(rapidity[i] * _LOG2E)
        shrink = _ONE / grow
        out[2, i] = momentum[i] * F(0.5) * (grow - shrink)
        out[3, i] = momentum[i] * F(0.5) * (grow + shrink)


@kernel(fastmath=True)
def make_mass(first: Any, second: Any, total: Any, out: Any) -> None:
    """Write the sum of two four-momenta (4, n) to `total`, which may be one of them, and its mass to `out`."""
    for i in range(out.size):
        x, y = first[0, i] + second[0, i], first[1, i] + second[1, i]
        z, energy = first[2, i] + second[2, i], first[3, i] + second[3, i]
        total[0, i], total[1, i], total[2, i], total[3, i] = x, y, z, energy
        out[i] = thousandth(np.sqrt(max(energy * energy - z * z - (x * x + y * y), F(0))))


@kernel(fastmath=True)
def make_masses(momenta: Any, rapidities: Any, angles: Any, room: Any, out: Any) -> None:
    """Write the seven masses, a tile of rows at a time, so that four-momenta stay in the L1 cache.

    Parameters
    ----------
    momenta, rapidities, angles : tuples of (n,) float32
        Of lepton, missing energy (whose rapidity counts as zero) and the four jets.
    room : (7, 4, tile) float32
    out : tuple of seven (n,) float32
        In the order of `MASSES`.
    """
    tile = room.shape[2]
    for start in range(0, out[0].size, tile):
        n = min(tile, out[0].size - start)
        stop = start + n
        for j in range(6):
            make_vector(momenta[j][start:stop], rapidities[j][start:stop], angles[j][start:stop], room[j])
        lepton, missing, jet_1, jet_2 = room[0], room[1], room[2], room[3]
        jet_3, jet_4, spare = room[4], room[5], room[6]
        w, dijet, bb = lepton, jet_1, jet_3  # each sum takes the place of a part no longer needed
        make_mass(jet_1, jet_2, dijet, out[0][start:stop])
        make_mass(dijet, jet_3, spare, out[1][start:stop])
        make_mass(lepton, missing, w, out[2][start:stop])
        make_mass(w, jet_4, spare, out[3][start:stop])
        make_mass(jet_3, jet_4, bb, out[4][start:stop])
        make_mass(w, bb, spare, out[5][start:stop])
        make_mass(spare, dijet, spare, out[6][start:stop])


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
            out = self.room(name, np.float32)
            fill, *arguments = self.recipe.low_level[name]
            fill(self.words(name), *arguments, out)
            self._made[name] = out
        return super().__getitem__(name)

    @makes(*MASSES)
    def _masses(self) -> Any:
        things = (OBJECTS[0], "missing", *OBJECTS[1:])
        flat = np.zeros(self.n, np.float32)
        rapidities = tuple(flat if thing == "missing" else self[f"{thing}_eta"] for thing in things)
        momenta, angles = (tuple(self[f"{thing}_{part}"] for thing in things) for part in ("pt", "phi"))
        out = tuple(self.room(name, np.float32) for name in MASSES)
        make_masses(momenta, rapidities, angles, np.empty((7, 4, TILE), np.float32), out)
        return out

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
