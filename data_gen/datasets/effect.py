"""`effect`: what a treatment does, known, beside what made rows take it; and an experiment by coin in the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from data_gen.columns import Column, Knob
from data_gen.datasets import regression
from data_gen.datasets.regression import RegressionChunk, RegressionRecipe
from data_gen.recipe import makes
from data_gen.values.laws import unit
from scalable.kernels.jit import kernel

DESCRIPTION = "a treatment that rows take for reasons seen in the columns, and a coin: known effects of both"

_OWN = {"features": 20, "condition": 10.0, "r2": 0.5}  # defaults
KNOBS = (
    *(replace(knob, default=_OWN.get(knob.name, knob.default)) for knob in regression.KNOBS),
    Knob("effect", 0.5, "change of the target a unit of treatment", low=-1e6, high=1e6),
    Knob("confounding", 1.0, "weight of the mean of the target in the treatment", low=0.0, high=1e6),
    Knob("lift", 0.1, "change of the target where the coin is 1", low=-1e6, high=1e6),
)


@kernel()
def toss(words: Any, out: Any) -> None:
    """Write 0 or 1 with even chances."""
    for i in range(words.size):
        out[i] = 1 if unit(words[i]) < np.float32(0.5) else 0


class EffectChunk(RegressionChunk):
    """Rows of `effect`; see `Chunk`."""

    @makes("base")
    def _base(self) -> Any:
        return RegressionChunk._mean(self)

    @makes("treatment")
    def _treatment(self) -> Any:
        own = self._normal("treatment").astype(np.float64)
        return (self.recipe.knobs["confounding"] * self["base"] + own).astype(np.float32)

    @makes("coin")
    def _coin(self) -> Any:
        out = np.empty(self.n, np.int8)
        toss(self.words("coin"), out)
        return out

    @makes("before")
    def _before(self) -> Any:
        noise = self._normal("before").astype(np.float64)
        return (self["base"] + self.recipe.sigma * noise).astype(np.float32)

    @makes("mean")
    def _mean(self) -> Any:
        knobs = self.recipe.knobs
        return (
            self["base"]
            + knobs["effect"] * self["treatment"].astype(np.float64)
            + knobs["lift"] * self["coin"]
        )


class EffectRecipe(RegressionRecipe):
    """`effect` bound to its seed and knobs."""

    chunk_type = EffectChunk

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        *features, label = self.columns
        self.columns = (
            *features,
            Column("before", "float32", "1", "the target of before: the same reasons, noise of its own"),
            Column("treatment", "float32", "1", "confounding times the reasons, plus a standard normal"),
            Column("coin", "int8", "0/1", "even chances, independent of all"),
            label,
        )

    def truth_parameters(self) -> dict[str, Any]:
        """Return those of `regression` for the reasons, and the effects."""
        effects = {name: self.knobs[name] for name in ("effect", "confounding", "lift")}
        return {**super().truth_parameters(), **effects}


RECIPE = EffectRecipe
