"""Which rows a tree is grown on: bags, and the large gradients of GOSS (Ke et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.growth.features import hash_key
from scalable.boosting.native.objective import Objective
from scalable.boosting.native.order import order_statistics
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.objectives import GIVEN, STRIP, gradients
from scalable.kernels.histogram.rounding import draw

EVERYONE = np.empty(0, np.uint8)
DRAWN, AMPLIFIED = 1, 2


class Sampler:
    """Draws rows by a hash of (seed, iteration, row), so that they are the same wherever the row is held."""

    def __init__(self, settings: Settings, objective: Objective) -> None:
        self._settings, self._objective = settings, objective
        self._epoch = -1

    @property
    def amplifies(self) -> bool:
        """Whether gradients of drawn rows may be multiplied."""
        return bool(self._settings.goss)

    def bag(self, part: Part, iteration: int, flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the flags of a part's rows; `flags` are those of the iteration before."""
        share = self._settings.bagging
        if share == (1.0, 1.0):
            return EVERYONE
        if len(flags) and iteration % self._settings.bagging_freq:
            return flags
        epoch = iteration // self._settings.bagging_freq
        key = hash_key(self._settings.seeds["bagging"], epoch)
        out = np.empty(part.n_rows, np.uint8)
        draw(
            part.starts,
            part.first_rows,
            key,
            np.array([int(s * 2**32) for s in share], np.uint64),
            part.label,
            out,
        )
        return out

    def is_goss(self, iteration: int, rate: float) -> bool:
        """Whether an iteration samples by gradient; the first ones use all rows, as in LightGBM."""
        return bool(self._settings.goss) and iteration >= int(1.0 / rate)

    def goss(self, iteration: int, parts: Sequence[Part], work: Sequence[Any], peers: Peers) -> None:
        """Flag the rows of the largest gradients everywhere, and a sample of the others to be amplified."""
        top_rate, other_rate = self._settings.goss
        n_rows = peers.whole(sum(part.n_rows for part in parts))
        sizes = [self._sizes(part, own) for part, own in zip(parts, work, strict=True)]
        n_top = max(1, int(n_rows * top_rate))
        everyone = [np.zeros(part.n_rows, np.uint32) for part in parts]
        least = order_statistics(sizes, everyone, np.array([n_rows - n_top]), peers)[0]
        others = max(1, n_rows - n_top)
        share = min(1.0, other_rate * n_rows / others)
        self._objective.record["amplify"] = others / max(1.0, other_rate * n_rows)
        key = hash_key(self._settings.seeds["bagging"], iteration)
        limit = np.full(2, int(share * (2**32)), np.uint64)
        for part, size, own in zip(parts, sizes, work, strict=True):
            flags = np.empty(part.n_rows, np.uint8)
            draw(part.starts, part.first_rows, key, limit, part.label, flags)
            flags[flags == DRAWN] = AMPLIFIED
            flags[size >= least] = DRAWN
            own.sampled = flags

    def _sizes(self, part: Part, work: Any) -> NDArray[np.float64]:
        """Return the sum over all scores of each row's |gradient x hessian|."""
        objective = self._objective
        if objective.record["code"][0] == GIVEN:
            return np.asarray(np.abs(work.given[:, 0].astype(np.float64) * work.given[:, 1]).sum(axis=0))
        total = np.zeros(part.n_rows)
        g, h = np.empty(STRIP), np.empty(STRIP)
        for k in range(objective.n_scores):
            label = (part.label == k).astype(np.float32) if objective.name == "multiclassova" else part.label
            rest = (label, part.weight, EVERYONE, work.given[0])
            for start in range(0, part.n_rows, STRIP):
                n = min(STRIP, part.n_rows - start)
                gradients(objective.record, part.score[k], *rest, start, n, g, h)
                total[start : start + n] += np.abs(g[:n] * h[:n])
        return total
