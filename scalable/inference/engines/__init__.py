"""Engines: ours step by step, and everyone else's, behind one face; one file each.

To add one: a file with ``build(model: ForestModel, n_threads: int) -> Engine`` that raises ``Absent`` with the reason
when it cannot run here, and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib

from scalable.errors import UsageError
from scalable.inference.engines.base import Absent, Engine, ForestModel, describe

__all__ = ["DEFAULT", "ENGINES", "Absent", "Engine", "ForestModel", "build", "describe"]

ENGINES: dict[str, str] = {
    "lightgbm": "lightgbm_booster",
    "lightgbm-fast": "lightgbm_fast",
    "scalable": "compiled",
}

DEFAULT = ("lightgbm", "lightgbm-fast", "scalable")


def build(name: str, model: ForestModel, n_threads: int = 1) -> Engine:
    """Load `model` into the engine called `name`.

    Raises
    ------
    UsageError
        No engine has that name.
    Absent
        Its package is missing, or it cannot hold this model; the message says which.
    """
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}; there are {', '.join(ENGINES)}")
    module = importlib.import_module(f"scalable.inference.engines.{ENGINES[name]}")
    engine: Engine = module.build(model, n_threads)
    return engine
