"""Which package may import which, and what starting up may load."""

import ast
import functools
import gc
import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each package may import itself and those before it.
ORDER = (
    "kernels",
    "lapack",
    "storage",
    "data",
    "execution",
    "features",
    ("evaluate", "minibatches"),
    "inference",
    "registry",
    "models",
    ("linear", "boosting", "bayes", "decomposition", "mixture", "neural", "scoring"),
    ("kernel_approximation", "causal"),
    "tuning",
    "feature_store",
    "monitor",
    ("latency", "serve"),
    "report",
    "cli",
)
RANKS = {
    name: rank for rank, names in enumerate(ORDER) for name in ([names] if isinstance(names, str) else names)
}
ANYONE = {
    "scalable",
    "scalable.deferred",
    "scalable.errors",
    "scalable.lazy",
    "scalable.openmp",
    "scalable.progress",
}
FACADES = {"scalable", "scalable.inference"}  # documented names, loaded from elsewhere on first use
HEAVY = (
    "numba",
    "llvmlite",
    "lightgbm",
    "dask",
    "distributed",
    "pyarrow",
    "polars",
    "matplotlib",
    "sklearn",
    "pandas",
)


@functools.cache
def files(package):
    return sorted(path for path in (ROOT / package).rglob("*.py"))


KINDS = ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.keyword, ast.If
PRODUCT = [*files("scalable"), *files("data_gen"), *files("bench")]


@functools.cache
def nodes(path):
    """The nodes of a file that are looked at here; to look for garbage among them took longer than to find them."""
    gc.disable()
    try:
        return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, KINDS)]
    finally:
        gc.enable()


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def exists(module):
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@functools.cache
def imports(path):
    """All project modules a file imports, at the top or inside functions, also for type checking."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if (
                node.level == 1 and path.parent.name == "suites"
            ):  # asv runs today's suites beside old packages
                continue
            assert node.level == 0, f"{path}: relative imports hide their direction"
            found.add(node.module)
            found.update(name for a in node.names if exists(name := f"{node.module}.{a.name}"))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found.update(
                a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )
    return {
        name for name in found if name and name.split(".")[0] in ("scalable", "data_gen", "bench", "tests")
    }


# A test an area, not one a file: thousands of tests of a millisecond each cost more than what they look at.
AREAS = sorted({module_of(path).split(".")[1] for path in files("scalable") if module_of(path) != "scalable"})


@pytest.mark.parametrize("area", ["", *AREAS])
def test_scalable_imports_one_way(area):
    for path in files("scalable"):
        module = module_of(path).replace("scalable.__main__", "scalable.cli.main")
        if [*module.split("."), ""][1] == area:
            check_direction(module, path)


def check_direction(module, path):
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top != "scalable":
            assert module.startswith("scalable.cli"), f"{module} imports {name}; only scalable.cli may"
            continue
        if name in ANYONE or module in FACADES:
            continue
        assert module not in ANYONE, f"{module} may import nothing of the project, but imports {name}"
        own, other = module.split(".")[1], rest.split(".")[0]
        assert own in RANKS, f"{own} has no place in the order"
        assert other in RANKS, f"{module} imports {name}, which has no place in the order"
        allowed = RANKS[other] < RANKS[own] or own == other
        assert allowed, f"{module} imports {name}, against the order {ORDER}"


def test_kernels_import_only_kernels_numba_and_numpy():
    for path in files("scalable/kernels"):
        for name in imports(path):
            assert name.startswith("scalable.kernels"), (path, name)
        for node in nodes(path):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                allowed = {"numba", "numpy", "llvmlite", "scalable"} | sys.stdlib_module_names
                assert top in allowed, (path, name)


def test_only_jit_compiles():
    for path in [*files("scalable"), *files("data_gen")]:
        if path.name == "jit.py":
            continue
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and node.module == "numba":
                names = {alias.name for alias in node.names}
                assert not names & {"njit", "jit", "vectorize", "guvectorize", "prange"}, path
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "numba":
                assert node.attr not in {"njit", "jit", "vectorize", "guvectorize"}, path


def test_data_gen_imports_only_kernels_and_storage_of_scalable():
    for path in files("data_gen"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in ("scalable", "data_gen"), (path, name)
            if top == "scalable":
                assert name.split(".")[1] in ("kernels", "storage"), (path, name)


@pytest.mark.parametrize("top", ["scalable", "data_gen", "bench"])
def test_nothing_imports_the_tests_or_reads_a_pickle(top):
    for path in files(top):
        assert not any(name.startswith("tests") for name in imports(path)), path
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("pickle", "load"), ("joblib", "load")}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert getattr(node.value, "value", None) is False, path


def test_rooms_are_small():
    lines = {path: path.read_text().count("\n") for path in PRODUCT}
    assert not {path: n for path, n in lines.items() if n > 350}, "one concept a file"


def test_folders_are_small():
    modules = Counter(path.parent for path in [*PRODUCT, *files("tests")] if path.name != "__init__.py")
    assert not {folder: n for folder, n in modules.items() if n > 15}, "give the concepts rooms of their own"


def test_no_room_for_odds_and_ends():
    odd = {"utils", "util", "helpers", "misc", "common"}
    assert [path for path in PRODUCT if path.stem in odd or path.parent.name in odd] == []


def while_running(path):
    """The imports of a file that happen when the program runs: all but those for type checking."""
    skipped = set()
    for node in nodes(path):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(id(inner) for part in node.body for inner in ast.walk(part))
    found = set()
    for node in nodes(path):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module_of(path.parent / "__init__.py") if node.level else ""
            base = ".".join(filter(None, [package, node.module]))
            for alias in node.names:
                found.add(name if exists(name := f"{base}.{alias.name}") else base)
    return found


def circles(graph):
    """The groups of modules each of which reaches the others (Tarjan's strongly connected components)."""
    order, low, stack, found = {}, {}, [], []

    def visit(module):
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(graph[module] & graph.keys()):
            if other not in order:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in order:
            visit(module)
    return found


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set()}
    assert circles(graph) == [["a", "b", "c"]]


def test_modules_import_in_no_circle():
    found = circles({module_of(path): while_running(path) - {module_of(path)} for path in PRODUCT})
    assert found == []


@pytest.mark.parametrize(
    "module",
    [
        "scalable",
        "scalable.boosting",
        "scalable.cli",
        "scalable.errors",
        "scalable.linear",
        "scalable.progress",
        "data_gen",
    ],
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split()) & set(HEAVY)
    assert not loaded, f"import {module} loads {sorted(loaded)}"


def test_a_worker_loads_no_scikit_learn_to_run_a_reduction():
    reductions = "descent", "gram", "newton"
    modules = ", ".join(f"scalable.linear.solvers.{name}" for name in reductions)
    code = f"import sys, {modules}; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("name", ["scalable", "scalable.boosting", "scalable.linear"])
def test_public_names_are_lazy_and_complete(name):
    package = importlib.import_module(name)
    for public in package.__all__:
        assert getattr(package, public) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_only_the_door_calls_lapack():
    for path in files("scalable"):
        if path.name == "lapack.py":
            continue
        assert "linalg" not in {name.split(".")[-1] for name in imports(path)}, path
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr == "linalg":
                raise AssertionError(f"{path} calls linalg itself; scalable/lapack.py checks first")
            if isinstance(node, ast.ImportFrom) and node.module in ("scipy", "numpy"):
                assert "linalg" not in {alias.name for alias in node.names}, path
