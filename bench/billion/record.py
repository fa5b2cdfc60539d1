"""The sections of the record that pages show: one flat row a line of a table."""

from __future__ import annotations

from typing import Any

BILLION = 10**9  # rows; what is asked of seconds is asked of these
_CLUSTER = "cluster_"
BAYES = "Bayes-optimal"


def name_of(size: int) -> str:
    """Return a short name of a number of rows, such as ``1e8``."""
    digits = str(size).rstrip("0")
    return f"{digits}e{len(str(size)) - len(digits)}"


def written_sections(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the sections made from the runs of stages.

    Parameters
    ----------
    runs : list of dict
        Rows of the journal.

    Returns
    -------
    dict
        ``stages_1e9`` and so on, a row a stage of that size; ``cluster_1e8``, the same on a cluster; ``sizes``,
        a row a stage with its cost at each size; ``quality``, a row a model and size.
    """
    sizes = sorted({run["size"] for run in runs})
    sections: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        where = "cluster" if run["stage"].startswith(_CLUSTER) else "stages"
        sections.setdefault(f"{where}_{name_of(run['size'])}", []).append(_stage(run))
    if runs:
        stages = dict.fromkeys(run["stage"] for run in runs if not run["stage"].startswith(_CLUSTER))
        sections["sizes"] = [_across(stage, runs, sizes) for stage in stages]
        sections["quality"] = _quality(runs)
    return sections


def each_ns(run: dict[str, Any]) -> float | None:
    """Return nanoseconds a row; None of a stage that has no rows, or whose beginning another run saw."""
    return run["seconds"] / run["rows"] * 1e9 if run["rows"] and not run["interrupted"] else None


def _stage(run: dict[str, Any]) -> dict[str, Any]:
    each, asked = each_ns(run), run["most_seconds"] if run["size"] == BILLION else None
    return {
        "size": run["size"],
        "stage": run["stage"].removeprefix(_CLUSTER),
        "command": run["command"],
        "seconds": run["seconds"],
        "most_seconds": asked,
        "work_seconds": run.get("work_seconds"),
        "ns_per_row": each,
        "rows_per_second": None if each is None else 1e9 / each,
        **{
            key: run[key] for key in ("peak_memory_bytes", "most_memory_bytes", "read_bytes", "written_bytes")
        },
        "load": run["load"],
        "note": "; ".join(_remarks(run, asked)),
    }


def _remarks(run: dict[str, Any], asked: float | None) -> list[str]:
    remarks = []
    if run["interrupted"]:
        remarks.append("continued after an interruption, seconds since then")
    if asked is not None and run["seconds"] > asked:
        remarks.append("longer than asked")
    if run["peak_memory_bytes"] > run["most_memory_bytes"]:
        remarks.append("more memory than asked")
    reported = run.get("reported") or {}
    if "first_answer_seconds" in reported:
        remarks.append(
            f"compiled in {reported['compile_seconds']:.2f} s, first row answered after "
            f"{reported['first_answer_seconds'] * 1e3:.3g} ms more"
        )
    return remarks


def _across(stage: str, runs: list[dict[str, Any]], sizes: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {"stage": stage}
    for size in sizes:
        for run in runs:
            if (run["stage"], run["size"]) == (stage, size):
                row[f"ns_{name_of(size)}"] = each_ns(run)
                row[f"peak_{name_of(size)}_bytes"] = run["peak_memory_bytes"]
    return row


def _quality(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for run in runs:
        if not run["stage"].removeprefix(_CLUSTER).startswith("evaluate"):
            continue  # training tells a first score, too, on rows the model has seen
        for entry in run.get("quality", []):
            found.setdefault((run["size"], entry["model"]), entry)  # the same Bayes-optimal scores each time
    rows = []
    for (size, model), entry in found.items():
        best = found.get((size, BAYES))
        gap = None if best is None or model == BAYES else best["auc"] - entry["auc"]
        row = {key: entry.get(key) for key in ("auc", "auc_error", "log_loss")}
        rows.append({"size": size, "model": model.removesuffix(".model"), **row, "auc_gap_to_bayes": gap})
    return rows
