"""`regression`: correlated blocks with a stated condition number, sparse coefficients, chosen noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from data_gen.columns import Column, Frame, Knob
from data_gen.recipe import Chunk, Recipe, copy_rows, empty_frame, makes, part_of
from data_gen.values.laws import fill_normal, unit64
from data_gen.values.population import Population
from scalable.kernels.jit import kernel

DESCRIPTION = "100 correlated columns, sparse linear truth, known R^2: least squares, ridge, lasso"

KNOBS = (
    Knob("features", 100, "number of features", low=1, high=10_000),
    Knob("block", 5, "features that share a factor", low=1, high=100_000),
    Knob("condition", 100.0, "condition number of the features' correlation matrix", low=1.0, high=1e8),
    Knob("nonzero", 10, "features with a coefficient other than zero", low=1, high=100_000),
    Knob(
        "noise",
        "homoscedastic",
        "law of the noise",
        choices=("homoscedastic", "heteroscedastic", "heavy-tailed"),
    ),
    Knob("r2", 0.8, "coefficient of determination of the true mean", low=1e-6, high=1 - 1e-9),
    Knob("world", 0, "which coefficients; two seeds of one world are two samples of it", low=0, high=2**31),
)

F = np.float32


@kernel(fastmath=True)
def make_feature(factor: Any, own: Any, shared: Any, rest: Any, out: Any) -> None:
    """Write ``shared * factor + rest * own``, rounded to 1e-4: unit variance."""
    for i in range(out.size):
        out[i] = F(np.float64(np.rint((shared * factor[i] + rest * own[i]) * F(1e4))) / 1e4)


@kernel(fastmath=True)
def add_term(feature: Any, coefficient: Any, out: Any) -> None:
    """Add ``coefficient * feature`` to `out` (float64)."""
    for i in range(out.size):
        out[i] += coefficient * np.float64(feature[i])


@kernel()
def make_t4(bits: Any, out: Any) -> None:
    """Write Student's t with 4 degrees of freedom, divided by its standard deviation (sqrt 2).

    Its quantile is closed: W. T. Shaw, "Sampling Student's T distribution - use of the inverse
    cumulative distribution function" (Journal of Computational Finance, 2006).
    """
    for i in range(bits.size):
        u = min(max(unit64(bits[i]), 2.0**-52), 1 - 2.0**-52)
        a = math.sqrt(4 * u * (1 - u))
        q = math.cos(math.acos(a) / 3) / a
        t = 2 * math.sqrt(max(q - 1, 0.0))
        out[i] = (t if u > 0.5 else -t) / math.sqrt(2.0)


class RegressionChunk(Chunk):
    """Rows of `regression`; see `Chunk`."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name.startswith("x_"):
            r = self.recipe
            factor = self._factor(int(name[2:]) // r.knobs["block"])
            out = np.empty(self.n, np.float32)
            make_feature(factor, self._normal(name), F(math.sqrt(r.rho)), F(math.sqrt(1 - r.rho)), out)
            self._made[name] = out
        return super().__getitem__(name)

    def _normal(self, name: str) -> Any:
        out = np.empty(self.n, np.float32)
        fill_normal(self.words(name), out)
        return out

    def _factor(self, block: int) -> Any:
        key = f"factor {block}"
        if key not in self._made:
            self._made[key] = self._normal(key)
        return self._made[key]

    @makes("mean")
    def _mean(self) -> Any:
        out = np.zeros(self.n)
        for name, coefficient in self.recipe.coefficients.items():
            add_term(self[name], coefficient, out)
        return out

    @makes("deviation")
    def _deviation(self) -> Any:
        r = self.recipe
        if r.knobs["noise"] != "heteroscedastic":
            return np.full(self.n, r.sigma)
        # exp(x / 2) of the first feature, scaled to the same mean variance: E exp(x) = sqrt(e)
        first = self[r.feature_names[0]].astype(np.float64)
        return r.sigma * np.exp(first / 2 - 0.25)

    @makes("target")
    def _target(self) -> Any:
        if self.recipe.knobs["noise"] == "heavy-tailed":
            noise = np.empty(self.n)
            make_t4(self.bits("noise"), noise)
        else:
            noise = self._normal("noise").astype(np.float64)
        return (self["mean"] + self["deviation"] * noise).astype(np.float32)


class RegressionRecipe(Recipe):
    """`regression` bound to its seed and knobs."""

    chunk_type = RegressionChunk
    truth_kind = "regression"
    target = "target"

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        p, block, condition = self.knobs["features"], self.knobs["block"], self.knobs["condition"]
        largest = min(block, p)
        # a block of size b with correlation rho has eigenvalues 1 + (b - 1) rho and 1 - rho
        self.rho = (condition - 1) / (condition + largest - 1) if largest > 1 else 0.0
        width = len(str(p - 1))
        self.feature_names = [f"x_{i:0{width}d}" for i in range(p)]
        law = f"standard normal; correlation {self.rho:.6g} within blocks of {block}"
        features = [Column(name, "float32", "1", law) for name in self.feature_names]
        label = Column("target", "float32", "1", f"linear mean plus {self.knobs['noise']} noise")
        self.columns = (*features, label)

    @cached_property
    def coefficients(self) -> dict[str, float]:
        """True coefficients other than zero; they make the mean's variance one."""
        world = Population(self.knobs["world"], "regression")
        p, block = self.knobs["features"], self.knobs["block"]
        chosen = np.sort(
            np.argsort(world.uniforms("chosen", p), kind="stable")[: min(self.knobs["nonzero"], p)]
        )
        size = 1.0 + world.uniforms("size", p)[chosen].astype(np.float64)
        beta = size * np.where(world.uniforms("sign", p)[chosen] < 0.5, -1.0, 1.0)
        same = (chosen[:, None] // block == chosen[None, :] // block) & (chosen[:, None] != chosen[None, :])
        variance = beta @ (np.eye(len(beta)) + self.rho * same) @ beta
        return {
            self.feature_names[i]: float(b) for i, b in zip(chosen, beta / math.sqrt(variance), strict=True)
        }

    @property
    def sigma(self) -> float:
        """Root of the mean noise variance."""
        r2 = self.knobs["r2"]
        return math.sqrt((1 - r2) / r2)

    def score(
        self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None
    ) -> tuple[Frame, Any]:
        """Return the values, and the conditional mean and deviation with the target of the same rows."""
        n = stop - start
        frame = empty_frame(columns, n) if room is None else part_of(room, 0, n)
        known = {key: np.empty(n) for key in ("mean", "deviation", "target")}
        for chunk in self.chunks(start, stop):
            copy_rows(frame, chunk, start, stop)
            low, high = max(start, chunk.start), min(stop, chunk.start + chunk.n)
            for key, out in known.items():
                out[low - start : high - start] = chunk[key][low - chunk.start : high - chunk.start]
        return frame, (known["mean"], known["deviation"], known["target"])

    def truth_parameters(self) -> dict[str, Any]:
        """Return coefficients, noise and condition number."""
        return {
            "intercept": 0.0,
            "coefficients": self.coefficients,
            "noise": self.knobs["noise"],
            "noise_variance": self.sigma**2,
            "population_r2": self.knobs["r2"],
            "condition_number": self.knobs["condition"] if self.rho else 1.0,
            "block_correlation": self.rho,
        }


RECIPE = RegressionRecipe
