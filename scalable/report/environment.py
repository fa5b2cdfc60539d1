"""Where a result was obtained: machine, versions, commit. Nothing here may fail a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from scalable.kernels.processors import available_processors
from scalable.report.others import Watch

_LEARNING = ("scalable-training", "numpy", "numba", "llvmlite", "lightgbm", "scikit-learn", "scipy")
PACKAGES = (*_LEARNING, "pyarrow", "polars", "dask", "distributed")
_ROOT = Path(__file__).resolve().parents[2]
_WATCH = Watch()
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2", "asimd", "sve")


def _cpu_facts() -> dict[str, str]:
    """Return the first processor's fields of /proc/cpuinfo, or nothing where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge a timing.

    Returns
    -------
    dict
        ``cpu`` (model name), ``cores`` this process may use, ``memory_bytes``, ``system``, ``vectors``
        (widest known vector instructions), ``others`` (processors that others used since this module was
        imported: their work blurs timings) and ``load`` (1-minute load average when asked). Unknown entries
        are None.
    """
    facts = _cpu_facts()
    flags = facts.get("flags", facts.get("Features", "")).split()
    try:
        import psutil

        memory: int | None = int(psutil.virtual_memory().total)
    except Exception:  # a container may hide /proc/meminfo
        memory = None
    try:
        load: float | None = round(os.getloadavg()[0], 2)
    except OSError:
        load = None
    others = _WATCH.others()
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": available_processors(),
        "memory_bytes": memory,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "vectors": next((name for name in _VECTORS if name in flags), None),
        "others": None if others is None else round(others, 2),
        "load": load,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    """Return the output of a git command on the checkout this package runs from, if it is one."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def git_commit() -> str | None:
    """Return the checkout's commit, with ``+changes`` when tracked files differ; None without git."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
