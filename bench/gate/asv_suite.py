"""Measures the ``time_`` benchmarks of any asv suite on demand; run as a script, with the standard library alone.

``asv_suite.py DIR --list`` prints their names as JSON; without ``--list`` each line that names one is answered by a
line of JSON: nanoseconds a call, or why there is no such number. What asv takes from attributes is taken from them:
``setup``, ``params``, ``param_names``, and `NotImplementedError` as "not here". `setup_cache` is not.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

LEAST = 20_000_000  # nanoseconds a sample takes at least, the fastest call of which counts


def modules(folder: Path) -> Iterator[ModuleType]:
    """Import the files of a suite, as a package where the folder is one, so that its relative imports work."""
    package = folder.name if (folder / "__init__.py").is_file() else ""
    sys.path.insert(0, str(folder.parent if package else folder))
    for file in sorted(folder.glob("*.py")):
        if file.stem != "__init__":
            yield importlib.import_module(f"{package}.{file.stem}" if package else file.stem)


def _cases(params: Any) -> list[tuple[Any, ...]]:
    lists = params if params and isinstance(params[0], (list, tuple)) else ([params] if params else [])
    return list(itertools.product(*lists))


def benchmarks(folder: Path) -> dict[str, Callable[[], Callable[[], Any]]]:
    """Return, by name, functions that prepare a benchmark and return what is to be timed."""
    found: dict[str, Callable[[], Callable[[], Any]]] = {}
    for module in modules(folder):
        ours = [
            value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__
        ]
        for value in ours:
            if isinstance(value, type):
                for method in sorted(name for name in dir(value) if name.startswith("time_")):
                    for case in _cases(getattr(value, "params", ())):
                        name = f"{module.__name__.rpartition('.')[2]}.{value.__name__}.{method}{_told(case)}"
                        found[name] = _prepared(module, value, method, case)
            elif callable(value) and value.__name__.startswith("time_"):
                for case in _cases(getattr(value, "params", ())):
                    name = f"{module.__name__.rpartition('.')[2]}.{value.__name__}{_told(case)}"
                    found[name] = _prepared(module, None, value.__name__, case)
    return found


def _told(case: tuple[Any, ...]) -> str:
    return f"({', '.join(map(repr, case))})" if case else ""


def _prepared(
    module: ModuleType, kind: type | None, name: str, case: tuple[Any, ...]
) -> Callable[[], Callable[[], Any]]:
    def prepare() -> Callable[[], Any]:
        if hasattr(kind if kind is not None else module, "setup_cache"):
            raise NotImplementedError("setup_cache is not supported by the gate")
        getattr(module, "setup", lambda *_: None)(*case)
        holder: Any = module if kind is None else kind()
        function = getattr(holder, name)
        own = getattr(function, "setup", None) if kind is None else getattr(holder, "setup", None)
        if own is not None:
            own(*case)
        return lambda: function(*case)

    return prepare


def sample(call: Callable[[], Any]) -> int:
    """Return the fastest of the calls that fit in a sample, in nanoseconds."""
    best, end = sys.maxsize, time.perf_counter_ns() + LEAST
    while True:
        start = time.perf_counter_ns()
        call()
        now = time.perf_counter_ns()
        best = min(best, now - start)
        if now >= end:
            return best


def main(folder: Path, listing: bool) -> None:
    """List or serve."""
    answer, sys.stdout = sys.stdout, sys.stderr  # what benchmarks print must not be taken for an answer
    known = benchmarks(folder)
    if listing:
        answer.write(json.dumps(list(known)))
        return
    calls: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        name = line.rstrip("\n")
        reply: dict[str, Any]
        try:
            if name not in calls:
                calls[name] = known[name]()
                calls[name]()
            reply = {"value": sample(calls[name])}
        except Exception as error:  # told to whoever asked
            reply = {"error": f"{type(error).__name__}: {error}"}
        answer.write(json.dumps(reply) + "\n")
        answer.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), "--list" in sys.argv)
