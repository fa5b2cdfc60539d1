"""Boosters read from texts that others may have changed: LightGBM follows what a text says wherever it leads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scalable.errors import ModelError
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text

if TYPE_CHECKING:
    import lightgbm as lgb

_BEGIN, _END = "\nparameters:\n", "\nend of parameters"
_PARAMETER = re.compile(r"\[\w+: [^\x00-\x1f\x7f]*\]")  # a line of another shape ends LightGBM's process


def check_text(text: str) -> None:
    """Prove a text that LightGBM is to read.

    Raises
    ------
    ModelError
        When its trees lead outside themselves, or its parameters are not as LightGBM writes them.
    """
    forest_of_text(text)
    _, began, rest = text.partition(_BEGIN)
    for line in rest.partition(_END)[0].split("\n"):
        if line and not _PARAMETER.fullmatch(line):
            raise ModelError(f"LightGBM model text, parameters: {line[:60]!r} is none; save the model again")
    if began and _END not in rest:
        raise ModelError("LightGBM model text: its parameters do not end; save the model again")


def booster_of_text(text: str) -> lgb.Booster:
    """Return the booster of a text; raises as `check_text`, also for what LightGBM refuses."""
    check_text(text)
    import lightgbm as lgb  # a worker's process loads it in a way of its own, once this module is there

    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise ModelError(f"LightGBM cannot read it ({error}); save the model again") from error
