"""What stays the same between samples: effects and attributes drawn once, from a key of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from data_gen.values.laws import fill_normal, fill_uniform
from data_gen.values.random import Stream

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Population:
    """The parameters behind a dataset.

    Two seeds of one population are independent samples of it, as a training set and a later test
    set are.

    Parameters
    ----------
    key : int
        The ``world`` knob.
    dataset : str
    """

    key: int
    dataset: str

    def stream(self, name: str) -> Stream:
        """Return the stream of an attribute of the population."""
        return Stream.of(self.key, f"{self.dataset} world", name)

    def normals(self, name: str, n: int) -> Floats:
        """Return `n` standard normal draws."""
        out = np.empty(n, np.float32)
        fill_normal(self.stream(name).words(0, n), out)
        return out

    def uniforms(self, name: str, n: int) -> Floats:
        """Return `n` uniform draws in [0, 1)."""
        out = np.empty(n, np.float32)
        fill_uniform(self.stream(name).words(0, n), out)
        return out

    def effects(self, name: str, n: int, size: float) -> Floats:
        """Return `n` normal effects with mean zero and standard deviation `size`, exactly."""
        out = self.normals(name, n).astype(np.float64)
        out -= out.mean()
        return np.asarray(out * (size / out.std()), np.float32)

    @cached_property
    def quantiles(self) -> Floats:
        """256 normal quantiles of unit variance: an attribute of an id, indexed by 8 bits of its hash."""
        out = np.empty(256, np.float32)
        fill_normal((np.arange(256) * 2**24 + 2**23 - 2**31).astype(np.int64).astype(np.uint32), out)
        return np.asarray(out / out.std(), np.float32)
