"""Engines: ours step by step, and everyone else's, behind one face; one file each.

To add one: a file with ``build(model: ForestModel, n_threads: int) -> Engine`` that raises ``Absent`` with the reason
when it cannot run here, and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib
from typing import Any

from scalable.errors import UsageError
from scalable.latency.engines.base import (
    Absent,
    Engine,
    ForestModel,
    LinearFacts,
    describe,
    describe_compiled,
    facts_of,
    text_of,
)

__all__ = [
    "DEFAULT",
    "ENGINES",
    "LINEAR",
    "PEERS",
    "STEPS",
    "Absent",
    "Engine",
    "ForestModel",
    "LinearFacts",
    "build",
    "describe",
    "describe_compiled",
    "facts_of",
    "text_of",
]

# name -> (module, its build function, further arguments to get that function)
ENGINES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "lightgbm": ("lightgbm_booster", "build", ()),
    "lightgbm-fast": ("lightgbm_fast", "build", ()),
    "scalable": ("compiled", "build", ()),
    "scalable-2": ("compiled", "build_two", ()),
    "lignum": ("lignum", "build", ()),
    "lignum-compiled": ("lignum", "build_compiled", ()),
    "onnxruntime": ("onnxruntime", "build", ()),
    "treelite": ("treelite", "build", ()),
    "tl2cgen": ("treelite", "build_compiled", ()),
    "daal4py": ("daal4py", "build", ()),
    "lleaves": ("lleaves", "build", ()),
    "linear": ("linear", "build", ()),
    "scikit-learn": ("linear", "build_scikit_learn", ()),
    "step-walk": ("steps", "build_step", ("walk",)),
    "step-ranks": ("steps", "build_step", ("ranks",)),
    "step-blocks": ("steps", "build_step", ("blocks",)),
    "step-select": ("steps", "build_step", ("select",)),
}

DEFAULT = ("lightgbm", "lightgbm-fast", "scalable")
LINEAR = ("scikit-learn", "linear")
PEERS = tuple(n for n in ENGINES if not n.startswith("step-") and n not in (*LINEAR, "scalable-2"))
STEPS = {
    "lightgbm": "Booster.predict",
    "step-walk": "follow trees on float64",
    "step-ranks": "compare ranks",
    "step-blocks": "a tree at a time over 512 rows",
    "step-select": "select bytes, no branches",
    "scalable": "bit planes",
    "scalable-2": "two threads",
}


def build(name: str, model: Any, n_threads: int = 1) -> Engine:
    """Load `model` (a `ForestModel` or `LinearFacts`) into the engine called `name`.

    Raises
    ------
    UsageError
        No engine has that name.
    Absent
        Its package is missing, or it cannot hold this model; the message says which.
    """
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}; there are {', '.join(ENGINES)}")
    if (name in LINEAR) != isinstance(model, LinearFacts):
        raise Absent(f"is an engine of {'linear models' if name in LINEAR else 'forests'}")
    module, function, further = ENGINES[name]
    make: Any = getattr(importlib.import_module(f"scalable.latency.engines.{module}"), function)
    engine: Engine = (make(*further) if further else make)(model, n_threads)
    return engine
