"""Which distributions an engine of inference is made of, and where it runs."""

from __future__ import annotations

import os
import subprocess

from bench.peers.versions import versions

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


def engine_versions(engine: str) -> dict[str, str]:
    """Return the versions of an engine's distributions, its own first, in the environment where it runs."""
    packages = _PACKAGES.get(engine, (engine,))
    python = os.environ.get(_ELSEWHERE.get(engine, ""))
    if not python:
        return versions(packages)
    done = subprocess.run([python, "-c", _ASK, *packages], capture_output=True, text=True, check=False)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())
