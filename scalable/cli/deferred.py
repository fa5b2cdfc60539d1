"""Modules that others import and this command line seldom uses: loaded when something of theirs is asked for.

scikit-learn's base classes bring in ``scipy.stats``, joblib's processes, sparse solvers and, where it is installed,
pandas; together they take longer to import than everything of ours. A process of our own may put that off; a program
that uses the library is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

DEFERRED = frozenset(
    {"pandas", "scipy.stats", "scipy.special", "scipy.sparse.linalg", "joblib", "numpy.f2py"}
)


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
