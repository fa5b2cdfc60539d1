"""What a kernel is compiled from: its file, the project's files that it imports, Numba, and the processor."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

import llvmlite.binding
import numba

_ROOT = Path(__file__).resolve().parents[3]
_JIT = str(_ROOT / "scalable" / "kernels" / "jit.py")
_PROJECT = ("scalable", "data_gen")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n;]*)|import[ \t]+([^\n;]*))", re.MULTILINE
)
_COMMENT = re.compile("#[^\n]*")
# What the environment may ask of Numba that makes other code: a run with checks of bounds must not meet code without.
_SETTINGS = (
    "OPT",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "LLVM_REFPRUNE_PASS",
)
_ENDS = (".py", f"{os.sep}__init__.py")
ASKED = re.compile(
    r'get_host_cpu_features\(\)\.get\("(\w+)"\)'
)  # how a kernel's code depends on what a CPU can


@functools.cache
def _imported_files(file: str) -> frozenset[str]:
    """Return this project's files that a module imports.

    Found in its text: to parse what a first fit imports takes a quarter of a second. A sentence that looks like an
    import may name a file more, which changes a key and breaks nothing.
    """
    modules: set[str] = set()
    for module, listed, plain in _IMPORT.findall(_text(file)):
        names = [
            name.split()[0]
            for name in _COMMENT.sub("", listed or plain).strip("()").split(",")
            if name.strip()
        ]
        modules |= {module, *(f"{module}.{name}" for name in names)} if module else set(names)
    places = [os.path.join(_ROOT, *name.split(".")) for name in modules if name.partition(".")[0] in _PROJECT]
    return frozenset(filter(os.path.isfile, (place + end for place in places for end in _ENDS)))


@functools.cache
def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


@functools.cache
def _sources(file: Path) -> tuple[bytes, frozenset[str]]:
    """Return a hash of a kernel file, what it imports, Numba and its settings; and what the files ask of the CPU."""
    pending, seen = {str(file), _JIT}, set[str]()
    digest = hashlib.sha256()
    while pending:
        seen |= pending
        pending = {found for path in pending for found in _imported_files(path)} - seen
    for path in sorted(seen):
        digest.update(
            os.path.relpath(path, _ROOT).encode() + _text(path).encode()
        )  # a moved file is another module
    for part in (
        numba.__version__,
        llvmlite.__version__,
        *(getattr(numba.config, name) for name in _SETTINGS),
    ):
        digest.update(str(part).encode())
    return digest.digest(), frozenset(name for path in seen for name in ASKED.findall(_text(path)))


@functools.cache
def source_key(file: Path) -> str:
    """Return a 16-digit hash of a kernel file, the project files it imports, Numba and the CPU."""
    digest, _ = _sources(file)
    return hashlib.sha256(digest + llvmlite.binding.get_host_cpu_name().encode()).hexdigest()[:16]


@functools.cache
def portable_key(file: Path) -> str:
    """Return a hash of the same for all CPUs alike, but for what the files ask of them."""
    digest, asked = _sources(file)
    features = llvmlite.binding.get_host_cpu_features() if asked else {}
    return hashlib.sha256(
        digest + repr([(name, features.get(name)) for name in sorted(asked)]).encode()
    ).hexdigest()
