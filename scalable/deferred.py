"""Modules that others import and our own processes seldom use: loaded when something of theirs is asked for.

scikit-learn's base classes bring in ``scipy.stats`` and, where it is installed, pandas; together they take longer to
import than everything of ours. SciPy takes all of NumPy, a Fortran reader and unittest included, and Numba a parser of
YAML. A process of our own may put that off; a program that uses the library is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

DEFERRED = frozenset({"numpy.f2py", "numpy.testing", "pandas", "scipy.stats", "yaml"})


class _Deferring(MetaPathFinder):
    """Finds the deferred modules as the usual finder does, and lets them be loaded later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer() -> None:
    """Put off the loading of `DEFERRED` in this process until an attribute of theirs is used."""
    if not any(isinstance(finder, _Deferring) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Deferring())
