"""Joining the trees of two boosters, as after a resumed or continued training."""

from __future__ import annotations

import lightgbm as lgb
from lightgbm.basic import _LIB, _safe_call


def joined(first: str, second: str) -> str:
    """Return the model text of `first`'s trees followed by `second`'s.

    Parameters
    ----------
    first : str
        Model text, or an empty string for no trees.
    second : str
        Model text of trees trained from `first`'s scores; its header and parameters are kept.
    """
    if not first:
        return second
    booster = lgb.Booster(model_str=second)
    earlier = lgb.Booster(model_str=first)
    # LightGBM puts the other booster's trees before the handle's own.
    _safe_call(_LIB.LGBM_BoosterMerge(booster._handle, earlier._handle))
    return str(booster.model_to_string(num_iteration=-1))


def truncated(text: str, n_iterations: int) -> str:
    """Return the model text of the first iterations only."""
    return str(lgb.Booster(model_str=text).model_to_string(num_iteration=n_iterations))
