"""Versions of the distributions that contenders and engines are made of, where they run."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata

_ELSEWHERE = {"lleaves": "SCALABLE_LLEAVES_PYTHON"}  # engines in a process of another environment
_PACKAGES = {
    "scalable": ("scalable-training", "numba"),
    "lightgbm-fast": ("lightgbm",),
    "lignum": ("pylignum",),
    "lignum-compiled": ("pylignum",),
    "onnxruntime": ("onnxruntime", "onnxmltools"),
    "tl2cgen": ("tl2cgen", "treelite"),
    "daal4py": ("scikit-learn-intelex",),
    "lleaves": ("lleaves", "llvmlite"),
}
_ASK = "import sys, importlib.metadata as m; [print(n, m.version(n)) for n in sys.argv[1:]]"


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of distributions that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def engine_versions(engine: str) -> dict[str, str]:
    """Return the versions of an engine's distributions, its own first, in the environment where it runs."""
    packages = _PACKAGES.get(engine, (engine,))
    python = os.environ.get(_ELSEWHERE.get(engine, ""))
    if not python:
        return versions(packages)
    done = subprocess.run([python, "-c", _ASK, *packages], capture_output=True, text=True, check=False)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())
