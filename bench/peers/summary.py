"""From the rows of single runs to one row a contender: median, samples, spread, worst memory."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.peers.registry import Entry

OWN = (
    "job",
    "peer",
    "repeat",
    "seconds",
    "peak_memory_bytes",
    "wall_seconds",
    "latency",
)  # not simply copied
FACTS = ("version", "versions", "dataset", "checksum", "command")
WHY = ("status", "message", "command", "checksum")
NOT_RUN = {"status": "not run", "message": "its turn did not come; --resume goes on"}


def by_contender(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Group rows of runs by job and contender, in the order they first ran."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[run["job"], run["peer"]].append(dict(run))
    return groups


def peer_row(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the ``peers`` row of one contender's runs.

    Its time is the median of the runs, its memory the largest, its quality that of the first; where runs
    differ in quality, ``quality_range`` says by how much. A single failure is the contender's result.
    """
    first = runs[0]
    for run in runs:
        if run["status"] != "ok":
            row = {key: run[key] for key in run if key not in ("repeat", "latency")}
            return {**row, "samples": [other["seconds"] for other in runs if other["status"] == "ok"]}
    samples = [run["seconds"] for run in runs]
    row = {key: value for key, value in first.items() if key not in OWN}
    row |= {
        "job": first["job"], "peer": first["peer"], "seconds": statistics.median(samples), "samples": samples,
        "least_seconds": min(samples), "most_seconds": max(samples), "repeats": len(samples),
        "peak_memory_bytes": max(run.get("peak_memory_bytes", 0) for run in runs),
        "wall_seconds": sum(run.get("wall_seconds", 0.0) for run in runs),
    }  # fmt: skip
    ranges = {
        name: max(run["quality"][name] for run in runs) - min(run["quality"][name] for run in runs)
        for name in first.get("quality") or {}
    }
    if any(ranges.values()):
        row["quality_range"] = ranges
    return row


def latency_rows(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the ``latency`` rows of one engine by batch size: the run of the median p50, with all p50s."""
    first = runs[0]
    for run in runs:
        if run["status"] != "ok":
            return {"1": [{"engine": run["peer"], **{k: run[k] for k in WHY if k in run}}]}
    peak = max(run.get("peak_memory_bytes", 0) for run in runs)
    found: dict[str, list[dict[str, Any]]] = {}
    for place, line in enumerate(first["latency"]):
        lines = sorted((run["latency"][place] for run in runs), key=lambda one: float(one["p50_us"]))
        chosen = lines[(len(lines) - 1) // 2]
        found[str(line["batch"])] = [{
            **chosen, "samples_us": [one["p50_us"] for one in lines], "peak_memory_bytes": peak,
            "status": "ok", **{key: first.get(key) for key in FACTS},
        }]  # fmt: skip
    return found


def sections(
    runs: Iterable[Mapping[str, Any]], entries: Mapping[str, Sequence[Entry]] | None = None
) -> dict[str, Any]:
    """Return the ``peers`` and ``latency`` sections.

    Parameters
    ----------
    runs : iterable of mapping
        Rows of single runs.
    entries : mapping of str to sequence of Entry, optional
        Contenders by job; those that have not run are shown as such.
    """
    peers: list[dict[str, Any]] = []
    latency: dict[str, list[dict[str, Any]]] = defaultdict(list)
    groups = by_contender(runs)
    for job, everyone in (entries or {}).items():
        for entry in everyone:
            idle = {"job": job, "peer": entry.name, "ours": entry.ours, **NOT_RUN}
            groups.setdefault((job, entry.name), [idle])
    for (job, _), group in groups.items():
        if job == "inference":
            for batch, rows in latency_rows(group).items():
                latency[batch] += rows
        else:
            peers.append(peer_row(group))
    return {
        **({"peers": peers} if peers else {}),
        **({"latency": {batch: latency[batch] for batch in sorted(latency, key=int)}} if latency else {}),
    }
