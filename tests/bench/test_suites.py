"""asv's suites: every benchmark runs, and compiles nothing while the clock runs."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import pkgutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numba.core import event
from numba.core.dispatcher import Dispatcher

import bench.suites

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("time_", "track_", "peakmem_", "mem_")
ELSEWHERE = (
    "boosting.Fit",
    "workers.Fit",
    "first_use.Start",
    "first_use.Train",
    "answers.Answers",
)  # start processes of their own, or take minutes: `make test-slow` runs them
MODULES = [
    importlib.import_module(f"bench.suites.{found.name}")
    for found in pkgutil.iter_modules(bench.suites.__path__)
]


def _classes() -> Iterator[tuple[str, Any, list[str]]]:
    for module in MODULES:
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_"):
                methods = [method for method in dir(kind) if method.startswith(KINDS)]
                if methods:
                    yield f"{module.__name__.rpartition('.')[2]}.{name}", kind, methods


FEW = {"REPEATS": 2, "SAMPLES": 2, "LEARNED": 2_000, "ASKED": 1_000}
CLASSES = {name: (kind, methods) for name, kind, methods in _classes()}


def test_every_benchmark_has_a_name_for_people() -> None:
    named = [
        getattr(getattr(kind, method), "pretty_name", "")
        for kind, methods in CLASSES.values()
        for method in methods
    ]
    assert all(" " in name for name in named)
    assert len(set(named)) == len(named)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")  # each suite generates what is not there yet


@pytest.fixture(autouse=True)
def tiny(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCALABLE_BENCH_DATA", str(data))
    monkeypatch.setenv("SCALABLE_BENCH_PROFILE", "tiny")
    for module in MODULES:  # what a call loads, it loads the first time: medians of two say as much of it
        for name, few in FEW.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, few)


class _Compilations:
    """Notes what Numba compiles or loads, and which of it between two readings of the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.added: list[str] = []
        self.timed: list[str] = []
        self.readings = 0
        clock, add = time.perf_counter_ns, Dispatcher.add_overload

        def read() -> int:
            self.readings += 1
            return clock()

        def note(dispatcher: Any, result: Any) -> Any:
            self.added.append(dispatcher.py_func.__qualname__)
            if self.readings % 2:
                self.timed.append(dispatcher.py_func.__qualname__)
            return add(dispatcher, result)

        monkeypatch.setattr(time, "perf_counter_ns", read)
        monkeypatch.setattr(Dispatcher, "add_overload", note)


CACHED: dict[str, Any] = {}


def _cached(kind: Any) -> tuple[Any, ...]:
    """Return what ``setup_cache`` made, once for all classes that inherit it."""
    if not hasattr(kind, "setup_cache"):
        return ()
    name = kind.setup_cache.__qualname__
    if name not in CACHED:
        CACHED[name] = kind().setup_cache()
    return (CACHED[name],)


def _prepared(kind: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield an instance and arguments for each combination of parameters, as asv would."""
    params = getattr(kind, "params", ())
    lists = params if params and isinstance(params[0], (list, tuple)) else ([params] if params else [])
    cached = _cached(kind)
    for combination in itertools.product(*lists):
        instance, arguments = kind(), (*cached, *combination)
        if hasattr(instance, "setup"):
            instance.setup(*arguments)
        yield instance, arguments
        if hasattr(instance, "teardown"):
            instance.teardown(*arguments)


def _unit(kind: Any, method: str) -> str:
    """Return the unit of a tracked benchmark as asv finds it."""
    return str(getattr(getattr(kind, method), "unit", "") or getattr(kind, "unit", ""))


@pytest.mark.filterwarnings("ignore:.*has not converged")  # the suites time one pass on purpose
@pytest.mark.parametrize("name", [name for name in CLASSES if name not in ELSEWHERE])
def test_nothing_is_compiled_while_the_clock_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, methods = CLASSES[name]
    found = _Compilations(monkeypatch)
    for instance, arguments in _prepared(kind):
        for method in methods:
            call = getattr(instance, method)
            found.readings = 0
            found.timed.clear()  # a setup may warm up by measuring
            call(*arguments)  # asv's warm-up; tracked benchmarks have none and must do it before their clock
            assert not found.timed, f"{method}{arguments} compiled or loaded {found.timed} in its timed part"
            if method.startswith("track_") and _unit(kind, method).startswith(("ns", "us")):
                assert found.readings, (
                    f"{method} reads another clock than perf_counter_ns, which is watched here"
                )
            if method.startswith("time_"):
                found.added.clear()
                with event.install_recorder("numba:compile") as recorder:
                    call(*arguments)
                compiled = [record.data["dispatcher"].py_func.__qualname__ for _, record in recorder.buffer]
                assert not compiled
                assert not found.added, f"{method}{arguments} loads {found.added} at its second call"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*has not converged")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_benchmarks_with_processes_of_their_own_run(name: str) -> None:
    kind, methods = CLASSES[name]
    for instance, arguments in _prepared(kind):
        for method in methods:
            value = getattr(instance, method)(*arguments)
            assert value is None or value >= 0


@pytest.mark.parametrize("name", CLASSES)
def test_names_and_units_say_what_a_number_is(name: str) -> None:
    kind, methods = CLASSES[name]
    params = getattr(kind, "params", ())
    if params:
        assert len(getattr(kind, "param_names", ())) == len(params), "every parameter has a name"
    for method in methods:
        if method.startswith("track_"):
            unit = _unit(kind, method)
            assert unit, f"{method} needs a unit"
            assert "/s" not in unit, "larger must be worse: ns/row, not rows/s"


def test_a_commit_without_what_a_suite_needs_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        if not hasattr(module, "missing"):
            continue
        module.setup()  # nothing is missing here
        monkeypatch.setattr(module, "missing", "No module named 'scalable.future'")
        with pytest.raises(NotImplementedError, match="future"):  # how asv learns to skip
            module.setup("any", "parameter")


def test_asv_builds_wheels_and_looks_where_the_suites_are() -> None:
    settings = json.loads((ROOT / "asv.conf.json").read_text())
    assert (ROOT / settings["benchmark_dir"] / "gate.py").is_file()
    assert any("--no-deps" in line for line in settings["build_command"])
    assert settings["repo"] == "."
