"""`mixture`: Gaussian components whose weights, means and covariances are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from data_gen.columns import Column, Frame, Knob
from data_gen.recipe import Chunk, Recipe, copy_rows, empty_frame, makes, part_of
from data_gen.values.laws import fill_normal, unit
from data_gen.values.population import Population
from scalable.kernels.jit import kernel

DESCRIPTION = "k Gaussian components in d dimensions, parameters known: EM, naive Bayes, PCA"

KNOBS = (
    Knob("components", 5, "number of components", low=1, high=1000),
    Knob("dimensions", 10, "number of features", low=1, high=10_000),
    Knob("separation", 2.0, "standard deviation of the means in each dimension", low=0.0, high=1e6),
    Knob("correlation", 0.3, "correlation of any two features inside a component", low=0.0, high=0.999),
    Knob("world", 0, "which parameters; two seeds of one world are two samples of it", low=0, high=2**31),
)

F = np.float32


@kernel()
def make_component(words: Any, edges: Any, out: Any) -> None:
    """Write component numbers: the first whose cumulative weight exceeds a uniform."""
    for i in range(words.size):
        u = np.float64(unit(words[i]))
        k = 0
        while u >= edges[k]:
            k += 1
        out[i] = k


@kernel(fastmath=True)
def make_feature(component: Any, factor: Any, own: Any, mean: Any, spread: Any, shared: Any, rest: Any,
                 out: Any) -> None:  # fmt: skip
    """Write ``mean[k] + spread[k] (shared factor + rest own)`` rounded to 1e-4."""
    for i in range(out.size):
        k = component[i]
        x = mean[k] + spread[k] * (shared * factor[i] + rest * own[i])
        out[i] = F(np.float64(np.rint(x * F(1e4))) / 1e4)


@kernel(fastmath=True)
def log_joint(features: Any, mean: Any, spread: Any, log_weight: Any, rho: Any, total: Any, square: Any,
              out: Any) -> None:  # fmt: skip
    """Write log(weight * density) of every row under every component.

    The covariance is ``S ((1 - rho) I + rho 1 1') S`` with S diagonal, so its inverse and its
    determinant are closed (Sherman and Morrison).

    Parameters
    ----------
    features : (d, n) float32
    mean, spread : (d, k) float64
    log_weight : (k,) float64
    rho : float
    total, square : (n,) float64
        Scratch.
    out : (k, n) float64
    """
    d, n = features.shape
    shrink = rho / (1 - rho + d * rho)
    constant = -0.5 * (d * math.log(2 * math.pi) + (d - 1) * math.log(1 - rho) + math.log(1 - rho + d * rho))
    for k in range(log_weight.size):
        scale = 0.0
        total[:] = 0.0
        square[:] = 0.0
        for j in range(d):
            scale += math.log(spread[j, k])
            centre, inverse = mean[j, k], 1.0 / spread[j, k]
            for i in range(n):
                z = (np.float64(features[j, i]) - centre) * inverse
                total[i] += z
                square[i] += z * z
        for i in range(n):
            exponent = (square[i] - shrink * total[i] * total[i]) / (1 - rho)
            out[k, i] = log_weight[k] + constant - scale - 0.5 * exponent


class MixtureChunk(Chunk):
    """Rows of `mixture`; see `Chunk`."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name.startswith("x_"):
            r, j, out = self.recipe, int(name[2:]), np.empty(self.n, np.float32)
            own = np.empty(self.n, np.float32)
            fill_normal(self.words(name), own)
            rho = r.knobs["correlation"]
            make_feature(self["component"], self["factor"], own, r.mean[j].astype(F), r.spread[j].astype(F),
                         F(math.sqrt(rho)), F(math.sqrt(1 - rho)), out)  # fmt: skip
            self._made[name] = out
        return super().__getitem__(name)

    @makes("component")
    def _component(self) -> Any:
        out = np.empty(self.n, np.int16)
        make_component(self.words("component"), self.recipe.edges, out)
        return out

    @makes("factor")
    def _factor(self) -> Any:
        out = np.empty(self.n, np.float32)
        fill_normal(self.words("factor"), out)
        return out

    @makes("log density", "best", "posterior")
    def _posterior(self) -> Any:
        r = self.recipe
        features = np.stack([self[name] for name in r.feature_names])
        joint = np.empty((len(r.weights), self.n))
        log_joint(features, r.mean, r.spread, np.log(r.weights), r.knobs["correlation"],
                  np.empty(self.n), np.empty(self.n), joint)  # fmt: skip
        top = joint.max(axis=0)
        density = top + np.log(np.exp(joint - top).sum(axis=0))
        return density, joint.argmax(axis=0), np.exp(top - density)


class MixtureRecipe(Recipe):
    """`mixture` bound to its seed and knobs."""

    chunk_type = MixtureChunk
    truth_kind = "mixture"
    target = "component"

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        k, d = self.knobs["components"], self.knobs["dimensions"]
        world = Population(self.knobs["world"], "mixture")
        raw = 0.5 + world.uniforms("weights", k).astype(np.float64)
        self.weights = raw / raw.sum()
        self.mean = self.knobs["separation"] * world.normals("means", k * d).astype(np.float64).reshape(d, k)
        self.spread = 0.5 + world.uniforms("spreads", k * d).astype(np.float64).reshape(d, k)
        width = len(str(d - 1))
        self.feature_names = [f"x_{j:0{width}d}" for j in range(d)]
        self.columns = (
            *(Column(n, "float32", "1", "normal given the component") for n in self.feature_names),
            Column("component", "int16", "1", "drawn with the components' weights", "dictionary"),
        )

    @cached_property
    def edges(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Cumulative weights, the last one infinite."""
        return np.append(np.cumsum(self.weights)[:-1], np.inf)

    def score(
        self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None
    ) -> tuple[Frame, Any]:
        """Return the values, and log density, posterior of the likeliest component and whether it is right."""
        n = stop - start
        frame = empty_frame(columns, n) if room is None else part_of(room, 0, n)
        density, posterior, right = np.empty(n), np.empty(n), np.empty(n, np.bool_)
        for chunk in self.chunks(start, stop):
            copy_rows(frame, chunk, start, stop)
            low, high = max(start, chunk.start), min(stop, chunk.start + chunk.n)
            here, there = slice(low - chunk.start, high - chunk.start), slice(low - start, high - start)
            density[there] = chunk["log density"][here]
            posterior[there] = chunk["posterior"][here]
            right[there] = (chunk["best"] == chunk["component"])[here]
        return frame, (density, posterior, right)

    def truth_parameters(self) -> dict[str, Any]:
        """Return weights, means and covariances; a covariance is S ((1 - rho) I + rho 1 1') S."""
        return {
            "weights": self.weights.tolist(),
            "means": self.mean.T.tolist(),
            "standard_deviations": self.spread.T.tolist(),
            "correlation": self.knobs["correlation"],
        }


RECIPE = MixtureRecipe
