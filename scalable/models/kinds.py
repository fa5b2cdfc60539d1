"""The kinds of saved models, a line each: whoever reads or compiles one asks here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalable.errors import ModelError
from scalable.models.store import StoredModel


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be done with a kind of model.

    Attributes
    ----------
    predictor : str
        ``module:function`` from a `StoredModel` to its `Predictor`.
    compiled : str or None
        ``module:function`` from a `StoredModel` to a predictor of plain matrices; None where its encoder is needed.
    """

    predictor: str
    compiled: str | None = None


KINDS = {
    "forest": Kind("scalable.models.forest:read_forest", "scalable.models.forest:compile_forest"),
    "linear": Kind("scalable.models.linear:read_linear", "scalable.models.linear:compile_linear"),
    "arrays": Kind("scalable.models.arrays.model:read_array_model"),
    "neural": Kind("scalable.neural.model:read_neural"),
    "calibrated": Kind("scalable.scoring.calibrated:read_calibrated"),
    "cascade": Kind("scalable.scoring.cascaded:read_cascade"),
}


FILE = "scalable.models.forest:read_plain_forest"  # what reads a model that is one file


def predictor_of_file(path: Path) -> Any:
    """Return the predictor of a model that is one file."""
    return _named(FILE)(path)


def predictor_of(stored: StoredModel) -> Any:
    """Return the predictor of a saved model."""
    return _named(_kind(stored).predictor)(stored)


def compiled_of(stored: StoredModel) -> Any:
    """Return the predictor of plain matrices of a saved model.

    Raises
    ------
    ModelError
        When it needs its encoder.
    """
    compiled = _kind(stored).compiled
    if compiled is None:
        raise ModelError(f"a {stored.kind!r} model needs its encoder, use scalable.inference.load_model")
    return _named(compiled)(stored)


def _kind(stored: StoredModel) -> Kind:
    if stored.kind not in KINDS:
        raise ModelError(f"holds a {stored.kind!r} model, expected {' or '.join(map(repr, KINDS))}")
    return KINDS[stored.kind]


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
