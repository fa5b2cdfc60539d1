"""Data of the benchmarks: made once, outside asv's environments, in a directory keyed by its id.

``SCALABLE_BENCH_DATA`` moves the directory; ``SCALABLE_BENCH_PROFILE`` (quick, standard, full;
tiny for tests) scales every benchmark.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SCALES = {"tiny": 0.01, "quick": 1, "standard": 10, "full": 100}


def profile() -> str:
    """Return the chosen profile.

    Raises
    ------
    ValueError
        When the variable names an unknown one.
    """
    name = os.environ.get("SCALABLE_BENCH_PROFILE", "quick")
    if name not in SCALES:
        raise ValueError(f"SCALABLE_BENCH_PROFILE={name!r}: choose from {', '.join(SCALES)}")
    return name


def scaled(rows_in_quick: int) -> int:
    """Return a number of rows scaled to the profile."""
    return int(rows_in_quick * SCALES[profile()])


def directory() -> Path:
    """Return where benchmark data is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(os.environ.get("SCALABLE_BENCH_DATA") or f"{home}/scalable-training/bench-data")
    path.mkdir(parents=True, exist_ok=True)
    return path


def prepared(dataset: str, rows: int, seed: int = 0, **knobs: Any) -> Path:
    """Return the directory of a generated dataset, writing it when it is not there yet.

    Parameters
    ----------
    dataset, rows, seed, knobs
        As for ``data_gen.generate``; all of them are part of the directory's name. Whichever commit
        comes first writes it, so that all commits are measured on the same rows.
    """
    import data_gen

    parts = [dataset, str(rows), f"seed{seed}", *(f"{name}-{value}" for name, value in sorted(knobs.items()))]
    target = directory() / "-".join(parts)
    if not (target / "manifest.json").is_file():
        data_gen.generate(dataset, rows=rows, out=target, seed=seed, resume=True, **knobs)
    return target
