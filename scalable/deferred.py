"""Modules that others import and our own processes seldom use: loaded when something of theirs is asked for.

scikit-learn's base classes bring in ``scipy.stats`` and, where it is installed, pandas; together they take longer to
import than everything of ours. SciPy takes all of NumPy, a Fortran reader and unittest included, and Numba a parser of
YAML. A process of our own may put that off; a program that uses the library is left alone. LightGBM looks whether
scikit-learn and pandas are there and loads most of both, 1.3 s of its 1.6, to accept frames and to be an estimator.
"""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

DEFERRED = frozenset({"numpy.f2py", "numpy.testing", "pandas", "scipy.stats", "yaml"})
COMPANIONS = frozenset({"dask", "distributed", "graphviz", "matplotlib", "pandas", "sklearn"})  # of LightGBM
_LOOKS = "lightgbm.compat"  # where it looks which of them are there


class _Deferred(ModuleType):
    """A module that is loaded, once, when an attribute of it is asked for; other threads wait until it is whole.

    Before Python 3.12.3 (python/cpython#114763) a module of `LazyLoader` shows half of itself to them.
    """

    def __getattribute__(self, name: str) -> Any:
        spec = object.__getattribute__(self, "__spec__")
        state = spec.loader_state
        with state["lock"]:
            if object.__getattribute__(self, "__class__") is _Deferred and not state["loading"]:
                state["loading"] = True  # the same thread comes by again meanwhile
                try:
                    spec.loader.loader.exec_module(self)
                    self.__class__ = ModuleType  # type: ignore[assignment]
                finally:
                    state["loading"] = False
        return ModuleType.__getattribute__(self, name)


class _Deferrer(LazyLoader):
    def exec_module(self, module: ModuleType) -> None:
        spec: Any = module.__spec__
        spec.loader_state = {"lock": threading.RLock(), "loading": False}
        module.__class__ = _Deferred


class _Deferring(MetaPathFinder):
    """Finds the deferred modules as the usual finder does, and lets them be loaded later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Deferrer(spec.loader)
        return spec


def _without_companions(name: str, *others: Any, **more: Any) -> Any:
    if name.partition(".")[0] in COMPANIONS:
        raise ImportError(f"LightGBM does without {name} in this process")
    return builtins.__import__(name, *others, **more)


class _Alone(Loader):
    """Runs a module whose own imports do not find the companions; those of all other modules do."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _without_companions}
        self._loader.exec_module(module)


class _Lonely(MetaPathFinder):
    """Finds the module with which LightGBM looks for its companions."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == _LOOKS else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Alone(spec.loader)
        return spec


def defer() -> None:
    """Put off the loading of `DEFERRED` in this process until an attribute of theirs is used."""
    _find_first(_Deferring)


def dask_setup(worker: object) -> None:
    """Do the same in a process of Dask's that preloads this module, before it is given anything."""
    defer()


def leave_lightgbm_alone() -> None:
    """Let LightGBM be imported without its `COMPANIONS` in this process, where it takes no frames from then on."""
    _find_first(_Lonely)


def _find_first(kind: type[MetaPathFinder]) -> None:
    if not any(isinstance(finder, kind) for finder in sys.meta_path):
        sys.meta_path.insert(0, kind())
