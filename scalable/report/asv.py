"""asv's result files as a results document with a ``history`` section."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scalable.errors import DataError
from scalable.report.document import FORMAT

KIB_BELOW = 2**31  # older versions of asv wrote the machine's memory in KiB
_NOT_RESULTS = {"benchmarks.json", "machine.json"}


def read_asv(path: str | os.PathLike[str], machine: str | None = None) -> dict[str, Any]:
    """Return asv's results of one machine as a results document of kind "history".

    Parameters
    ----------
    path : path
        asv's ``results`` directory (or the ``.asv`` that holds it).
    machine : str, optional
        Name of the machine's directory; needed when there are several.

    Raises
    ------
    DataError
        When there are no results, several machines and none named, or a file is damaged.
    """
    root = Path(path)
    root = root / "results" if (root / "results").is_dir() else root
    known = _load(root / "benchmarks.json")
    benchmarks = {name: entry for name, entry in known.items() if isinstance(entry, dict)}
    machines = sorted(entry.name for entry in root.iterdir() if (entry / "machine.json").is_file())
    if machine is None and len(machines) == 1:
        machine = machines[0]
    if machine not in machines:
        raise DataError(f"{root}: results of {machines or 'no machine'}; name the one to show")
    points: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    newest: dict[str, Any] = {"date": 0}
    for file in sorted((root / machine).glob("*.json")):
        if file.name in _NOT_RESULTS:
            continue
        result = _load(file)
        newest = max(newest, result, key=lambda one: one.get("date", 0))
        for name, values in result.get("results", {}).items():
            names = benchmarks.get(name, {}).get("param_names") or []
            for params, point in _points(dict(zip(result["result_columns"], values, strict=False)), names):
                origin = {"date": result["date"], "commit": result["commit_hash"]}
                points[name, params][result["commit_hash"]] = {**origin, **point}
    history = [
        {
            "benchmark": name,
            "params": params,
            "unit": benchmarks.get(name, {}).get("unit", ""),
            "points": sorted(by_commit.values(), key=lambda point: point["date"]),
        }
        for (name, params), by_commit in sorted(points.items())
    ]
    facts = _load(root / machine / "machine.json")
    memory = int(facts["ram"]) if str(facts.get("ram", "")).isdigit() else None
    if memory is not None and memory < KIB_BELOW:
        memory *= 1024
    return {
        "format": FORMAT,
        "kind": "history",
        "created": datetime.fromtimestamp(newest["date"] / 1000, UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": facts.get("cpu"),
            "cores": int(facts["num_cpu"])
            if str(facts.get("num_cpu", "")).isdigit()
            else facts.get("num_cpu"),
            "memory_bytes": memory,
            "system": facts.get("os"),
        },
        "versions": {},
        "git_commit": newest.get("commit_hash"),
        "seed": None,
        "command": "asv run",
        "sections": {"history": history},
    }


def _points(columns: dict[str, Any], names: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return (parameters, point) of one benchmark's result; failed and skipped ones are left out."""
    values = columns.get("result")
    combinations = list(itertools.product(*(columns.get("params") or [])))
    found = []
    for n, (params, value) in enumerate(zip(combinations, values or [], strict=False)):
        if isinstance(value, (int, float)) and not math.isnan(value):
            low, high = (_at(columns.get(f"stats_ci_99_{end}"), n) for end in "ab")
            point = {"value": value, "low": low, "high": high}
            words = (
                _parameter(param, name) for param, name in itertools.zip_longest(params, names[: len(params)])
            )
            found.append((", ".join(words), point))
    return found


def _parameter(value: Any, name: str | None) -> str:
    """Return a parameter in words: texts speak for themselves, numbers need their name."""
    text = str(value).strip("'")
    return f"{name} {text}" if name and text.replace(".", "", 1).lstrip("-").isdigit() else text


def _at(values: Any, n: int) -> float | None:
    """Return entry `n` if it is there and finite."""
    value = values[n] if isinstance(values, list) and n < len(values) else None
    return value if isinstance(value, (int, float)) and abs(value) < float("inf") else None


def _load(path: Path) -> dict[str, Any]:
    """Return a JSON object from asv's directory."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); give the results directory of asv"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not JSON or cut short ({error}); run asv again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a result of asv; give the results directory of asv")
    return content
