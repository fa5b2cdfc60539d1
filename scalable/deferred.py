"""Modules that others import and our own processes seldom use: loaded when something of theirs is asked for.

scikit-learn's base classes bring in ``scipy.stats`` and, where it is installed, pandas; together they take longer to
import than everything of ours. SciPy takes all of NumPy, a Fortran reader and unittest included, and Numba a parser of
YAML. A process of our own may put that off; a program that uses the library is left alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

DEFERRED = frozenset({"numpy.f2py", "numpy.testing", "pandas", "scipy.stats", "yaml"})


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


def defer() -> None:
    """Put off the loading of `DEFERRED` in this process until an attribute of theirs is used."""
    if not any(isinstance(finder, _Deferring) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Deferring())
