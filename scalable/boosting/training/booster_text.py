"""Boosters read from texts that others may have changed: LightGBM follows what a text says wherever it leads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats.lightgbm_numbers import all_numbers
from scalable.inference.forest.formats.lightgbm_text import parse_text
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text

if TYPE_CHECKING:
    import lightgbm as lgb

_BEGIN, _END = "\nparameters:\n", "\nend of parameters"
# A word among these that is no number ends its process, too.
_OF_NODES = ("split_gain", "internal_value", "internal_weight")
_PARAMETER = re.compile(r"\[\w+: [^\x00-\x1f\x7f]*\]")  # a line of another shape ends LightGBM's process


def check_text(text: str) -> None:
    """Prove a text that LightGBM is to read.

    Raises
    ------
    ModelError
        When its trees lead outside themselves, or its parameters are not as LightGBM writes them.
    """
    forest_of_text(text)
    model = parse_text(text)
    ones, nodes = [1] * len(model.leaves), [leaves - 1 for leaves in model.leaves]
    leaves = [n + (n > 0) for n in nodes]  # of a tree that is one leaf, no more is read
    for key, counts in (*((key, nodes) for key in _OF_NODES), ("leaf_weight", leaves), ("shrinkage", ones)):
        told = [(tree, n) for tree, n in zip(model.trees, counts, strict=True) if key in tree]
        all_numbers([tree for tree, _ in told], key, [n for _, n in told], np.float64)
    _, began, rest = text.partition(_BEGIN)
    for line in rest.partition(_END)[0].split("\n"):
        if line and not _PARAMETER.fullmatch(line):
            raise ModelError(f"LightGBM model text, parameters: {line[:60]!r} is none; save the model again")
    if began and _END not in rest:
        raise ModelError("LightGBM model text: its parameters do not end; save the model again")


def booster_of_text(text: str) -> lgb.Booster:
    """Return the booster of a text; raises as `check_text`, also for what LightGBM refuses."""
    check_text(text)
    import lightgbm as lgb  # not for who only checks a text

    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise ModelError(f"LightGBM cannot read it ({error}); save the model again") from error
