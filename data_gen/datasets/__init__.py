"""The registry: a dataset is a module with ``DESCRIPTION``, ``KNOBS`` and ``RECIPE``.

Modules are imported when a dataset is first used, so that listing names costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from data_gen.columns import Column, Knob
from data_gen.errors import RequestError, nearest

if TYPE_CHECKING:
    from data_gen.recipe import Recipe

NAMES = ("fraud", "clicks", "physics", "regression", "effect", "mixture")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What there is to know about a dataset before generating it.

    Parameters
    ----------
    name, description : str
    knobs : tuple of Knob
    columns : tuple of Column
        With default knobs.
    target : str or None
    """

    name: str
    description: str
    knobs: tuple[Knob, ...]
    columns: tuple[Column, ...]
    target: str | None


def _module(name: str) -> Any:
    if name not in NAMES:
        raise RequestError(f"unknown dataset {name!r}{nearest(name, NAMES)}")
    return import_module(f"data_gen.datasets.{name}")


def checked_knobs(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all knobs of a dataset, defaults filled in.

    Raises
    ------
    RequestError
        On an unknown dataset or knob (with the nearest name) or a value out of bounds.
    """
    known = {knob.name: knob for knob in _module(name).KNOBS}
    for knob in given:
        if knob not in known:
            raise RequestError(f"{name} has no knob {knob!r}{nearest(knob, known)}")
    return {k.name: k.checked(given[k.name]) if k.name in given else k.default for k in known.values()}


def recipe(name: str, seed: int = 0, knobs: Mapping[str, Any] | None = None) -> Recipe:
    """Return a dataset bound to its seed and knobs; raises `RequestError` on bad ones."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise RequestError(f"seed={seed!r}: expected an integer from 0 to 2**63 - 1")
    made: Recipe = _module(name).RECIPE(name, seed, checked_knobs(name, knobs or {}))
    return made


class _Registry(ModuleType):
    """A module that is callable: ``data_gen.datasets()`` works beside ``import data_gen.datasets``."""

    def __call__(self) -> dict[str, Dataset]:
        """Return the descriptions of all datasets by name."""
        return {name: describe(name) for name in NAMES}


sys.modules[__name__].__class__ = _Registry


def describe(name: str) -> Dataset:
    """Return the description of a dataset."""
    module, bound = _module(name), recipe(name)
    return Dataset(name, module.DESCRIPTION, module.KNOBS, bound.columns, bound.target)
