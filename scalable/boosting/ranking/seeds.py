"""Random numbers of ``rank_xendcg``, which LightGBM draws by a query's place among those of a worker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np


def objective_seed(params: Mapping[str, Any]) -> int:
    """Return the seed LightGBM draws from: ``objective_seed``, or what it makes of ``seed``."""
    kept = ("objective_seed", "seed", "objective")
    data = lgb.Dataset(np.zeros((2, 1)), [0, 1], group=[2])
    small = {name: params[name] for name in kept if name in params} | {"verbosity": -1}
    text = lgb.Booster(small, data).model_to_string()
    found = re.search(r"\[objective_seed: (-?\d+)\]", text)
    assert found is not None
    return int(found[1])


def seed_of(seed: int, iteration: int) -> int:
    """Return the seed of an iteration, which does not depend on those before: the first one's is `seed`."""
    return moved(seed, (iteration * 7_919_003) % 2**31)


def moved(seed: int, by: int) -> int:
    """Return a seed moved by a number, within the 32 bits that LightGBM reads.

    It draws for its i-th query from the seed plus i: a worker whose first query is the dataset's k-th is given the
    seed plus k, and so draws what a single worker would.
    """
    return (seed + by + 2**31) % 2**32 - 2**31
