"""What changed between two results, and whether it is more than noise."""

from __future__ import annotations

import math
from typing import Any

from scalable.errors import DataError, UsageError
from scalable.report import format as fmt
from scalable.report.measures import Measure, measures
from scalable.report.others import used_by_others
from scalable.report.sections import REFERENCES
from scalable.storage.documents import understood

SAMPLES = (
    5  # with so many repeats a side, repeats decide instead; fewer could never be as sure as SIGNIFICANT
)
SIGNIFICANT = 0.01
SAME = 1e-9
VERDICTS = ("better", "worse", "changed", "noise", "same")


@understood(DataError, "the results", "run the commands that wrote them again")
def compare(a: dict[str, Any], b: dict[str, Any], force: bool = False) -> dict[str, Any]:
    """Compare two results documents, `a` before and `b` after.

    Parameters
    ----------
    a, b : dict
        Documents as :func:`scalable.report.read_results` returns them.
    force : bool
        Compare although machine, dataset or setting differ, with a warning.

    Returns
    -------
    dict
        ``rows``: one for each number both have, with ``what``, ``a``, ``b``, ``change`` (relative, B
        against A), ``noise`` (relative; below it nothing is concluded), ``p_value`` (two-sided
        Mann-Whitney, where both sides have at least 5 repeats, else None) and ``verdict``: "better",
        "worse", "changed" (neither way is known to be better), "noise" or "same"; ``warnings``; ``notes`` on how
        busy the machine was;
        ``only_a`` and ``only_b``: what one side lacks; ``counts`` of the verdicts and a ``summary`` in words.

    Raises
    ------
    UsageError
        When machines, datasets or settings differ and `force` is not set.
    DataError
        When a number is none that could have been measured.

    Notes
    -----
    Noise of quality is two standard errors of a difference between independent samples: those in the
    document (``auc_se`` and so on), the binomial for accuracy, and for other metrics the relative error
    of a sum over the rarer class' rows. On the same held-out rows differences are surer than that.
    In sections of unknown shape the names of numbers tell what they are (:mod:`scalable.report.units`), texts and
    settings of a row tell it from others, and rows told apart by nothing are repeats.
    """
    warnings = _differences(a, b)
    if warnings and not force:
        raise UsageError(
            f"compare: {'; '.join(warnings)}; such numbers do not compare (--force does it anyway)"
        )
    a, b, renamed = _one_model_each(a, b)
    before, after = measures(a), measures(b)
    rows = [_row(before[key], after[key]) for key in before if key in after]
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    only_a = [" ".join(key) for key in before if key not in after]
    only_b = [" ".join(key) for key in after if key not in before]
    notes = [*renamed, *_busy(a, b)]
    summary = (
        ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing in common"
    )
    if only_a or only_b:
        summary += f"; {len(only_a)} only in A, {len(only_b)} only in B"
    return {
        "rows": rows, "warnings": warnings, "notes": notes, "only_a": only_a, "only_b": only_b,
        "counts": counts, "summary": summary,
    }  # fmt: skip


def _one_model_each(a: dict[str, Any], b: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return the documents with their models under one name where each evaluates another one, and what was done."""
    qualities = [document.get("sections", {}).get("quality") for document in (a, b)]
    own = [
        [row for row in rows or [] if isinstance(row, dict) and row.get("model") not in REFERENCES]
        for rows in qualities
    ]
    if any(len(rows) != 1 for rows in own) or own[0][0].get("model") == own[1][0].get("model"):
        return a, b, []
    names = [rows[0]["model"] for rows in own]
    documents = []
    for document, rows, name in zip((a, b), qualities, names, strict=True):
        renamed = [{**row, "model": "model"} if row.get("model") == name else row for row in rows]
        documents.append({**document, "sections": {**document["sections"], "quality": renamed}})
    note = (
        f"model in A is {names[0]}, in B {names[1]}; taken as independent: "
        f"scalable compare {names[0]} {names[1]} DATA --target COL pairs their rows, which is surer"
    )
    return documents[0], documents[1], [note]


def _busy(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return a warning when others used the machine while either was measured."""
    machines = [document.get("machine", {}) for document in (a, b)]
    if all(used_by_others(machine) is None for machine in machines):
        return []
    shown = [
        f"{'an unknown number' if (used := machine.get('others')) is None else f'{used:g}'} of the processors in {side}"
        for machine, side in zip(machines, "AB", strict=True)
    ]
    return [f"others used {' and '.join(shown)}: times tell of their work as well"]


def _differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return in words how machines, datasets and settings differ."""
    found = []
    for part, keys, places in (
        ("machine", ("cpu", "cores"), (a.get("machine"), b.get("machine"))),
        (
            "dataset",
            ("name", "rows", "checksum"),
            tuple(d.get("sections", {}).get("dataset") for d in (a, b)),
        ),
        (
            "setting",
            ("profile", "threads", "page cache"),
            tuple(d.get("sections", {}).get("setting") for d in (a, b)),
        ),
    ):
        left, right = ((place if isinstance(place, dict) else {}) for place in places)
        for key in keys:
            if left.get(key) is not None and right.get(key) is not None and left[key] != right[key]:
                found += [f"{part} {key} differs: {left[key]} against {right[key]}"]
    return found


def _row(before: Measure, after: Measure) -> dict[str, Any]:
    """Judge one number."""
    difference = after.value - before.value
    size = abs(before.value)
    noise = math.hypot(before.noise, after.noise)
    p_value = None
    if len(before.samples) >= SAMPLES and len(after.samples) >= SAMPLES:
        from scipy.stats import mannwhitneyu

        p_value = float(mannwhitneyu(before.samples, after.samples).pvalue)
    if abs(difference) <= SAME * size:
        verdict = "same"
    elif (p_value > SIGNIFICANT) if p_value is not None else (abs(difference) <= noise):
        verdict = "noise"
    elif before.larger_is_better is None:
        verdict = "changed"
    else:
        verdict = "better" if (difference > 0) == before.larger_is_better else "worse"
    change = difference / size if size else None
    return {
        "what": " ".join(before.key),
        "a": before.value,
        "b": after.value,
        "change": change,
        "change_text": fmt.MISSING if change is None else f"{change:+.2%}",
        "noise": noise / size if size else None,
        "noise_text": f"p={p_value:.2g}"
        if p_value is not None
        else f"±{noise / size:.2%}"
        if size
        else fmt.MISSING,
        "p_value": p_value,
        "verdict": verdict,
    }
