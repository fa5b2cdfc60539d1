"""What changed between two results, and whether it is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scalable.errors import UsageError
from scalable.report import format as fmt
from scalable.report.units import METRICS

# Relative spread to expect of a single timing, tail latency or peak memory on a quiet machine.
TIME, TAIL, MEMORY = 0.10, 0.25, 0.05
SAMPLES = 4  # with so many repeats a side, repeats decide instead
SIGNIFICANT = 0.01
SAME = 1e-9


@dataclass(frozen=True, slots=True)
class _Measure:
    """One number of a document: its key, value, direction, expected noise (absolute) and repeats."""

    key: tuple[str, ...]
    value: float
    larger_is_better: bool
    noise: float
    samples: tuple[float, ...] = ()


def compare(a: dict[str, Any], b: dict[str, Any], force: bool = False) -> dict[str, Any]:
    """Compare two results documents, `a` before and `b` after.

    Parameters
    ----------
    a, b : dict
        Documents as :func:`scalable.report.read_results` returns them.
    force : bool
        Compare although machine or dataset differ, with a warning.

    Returns
    -------
    dict
        ``rows``: one for each number both have, with ``what``, ``a``, ``b``, ``change`` (relative, B
        against A), ``noise`` (relative; below it nothing is concluded), ``p_value`` (two-sided
        Mann-Whitney, where both sides have at least 4 repeats, else None) and ``verdict``: "better",
        "worse", "noise" or "same"; ``warnings``; ``only_a`` and ``only_b``: what one side lacks; ``counts`` of
        the verdicts and a ``summary`` in words.

    Raises
    ------
    UsageError
        When machines or datasets differ and `force` is not set.

    Notes
    -----
    Noise of quality is two standard errors of a difference between independent samples: those in the
    document (``auc_se`` and so on), the binomial for accuracy, and for other metrics the relative error
    of a sum over the rarer class' rows. On the same held-out rows differences are surer than that.
    """
    warnings = _differences(a, b)
    if warnings and not force:
        raise UsageError(
            f"compare: {'; '.join(warnings)}; such numbers do not compare (--force does it anyway)"
        )
    before = {measure.key: measure for measure in _measures(a)}
    after = {measure.key: measure for measure in _measures(b)}
    rows = [_row(before[key], after[key]) for key in before if key in after]
    counts = {
        name: sum(row["verdict"] == name for row in rows) for name in ("better", "worse", "noise", "same")
    }
    only_a = [" ".join(key) for key in before if key not in after]
    only_b = [" ".join(key) for key in after if key not in before]
    summary = (
        ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing in common"
    )
    if only_a or only_b:
        summary += f"; {len(only_a)} only in A, {len(only_b)} only in B"
    return {
        "rows": rows, "warnings": warnings, "only_a": only_a, "only_b": only_b, "counts": counts, "summary": summary,
    }  # fmt: skip


def _differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return in words how machines and datasets differ."""
    found = []
    for part, keys, places in (
        ("machine", ("cpu", "cores"), (a.get("machine"), b.get("machine"))),
        (
            "dataset",
            ("name", "rows", "checksum"),
            tuple(d.get("sections", {}).get("dataset") for d in (a, b)),
        ),
    ):
        left, right = ((place if isinstance(place, dict) else {}) for place in places)
        for key in keys:
            if left.get(key) is not None and right.get(key) is not None and left[key] != right[key]:
                found += [f"{part} {key} differs: {left[key]} against {right[key]}"]
    return found


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _rows(section: Any) -> list[dict[str, Any]]:
    return [row for row in section if isinstance(row, dict)] if isinstance(section, list) else []


def _measures(document: dict[str, Any]) -> Iterator[_Measure]:
    """Yield the numbers of a document that can get better or worse."""
    sections = document.get("sections", {})
    for stage in _rows(sections.get("stages")):
        yield from _costs(stage, (str(stage.get("name")),))
    for row in _rows(sections.get("quality")):
        for name, (heading, larger) in METRICS.items():
            if _number(row.get(name)):
                yield _Measure((str(row.get("model")), heading), row[name], larger, 2 * _error(name, row))
    latency = sections.get("latency")
    for batch, rows in latency.items() if isinstance(latency, dict) else ():
        for row in _rows(rows):
            for key, spread in (("p50_us", TIME), ("p99_us", TAIL)):
                if _number(row.get(key)):
                    call = (str(row.get("engine")), f"{batch} row(s)", key.removesuffix("_us") + " µs")
                    yield _Measure(call, row[key], False, spread * row[key])
    for row in _rows(sections.get("peers")):
        yield from _costs(row, (str(row.get("job")), str(row.get("peer"))))


def _costs(row: dict[str, Any], name: tuple[str, ...]) -> Iterator[_Measure]:
    """Yield time and memory of a stage or a contender."""
    if _number(row.get("seconds")):
        samples = tuple(value for value in row.get("samples") or () if _number(value))
        yield _Measure((*name, "seconds"), row["seconds"], False, TIME * row["seconds"], samples)
    if _number(row.get("peak_memory_bytes")):
        peak = row["peak_memory_bytes"]
        yield _Measure((*name, "peak memory"), peak, False, MEMORY * peak)


def _error(name: str, row: dict[str, Any]) -> float:
    """Return the standard error of a quality metric on `rows` held-out rows, or of 0.5% if unknown."""
    if _number(row.get(f"{name}_se")):
        return float(row[f"{name}_se"])
    value = float(row[name])
    rows: float | None = row.get("rows")
    prevalence: float | None = row.get("prevalence")
    if not rows:
        return abs(value) * 0.0025
    positives = rows * prevalence if prevalence is not None else rows
    rare = max(min(positives, rows - positives) if prevalence is not None else rows, 1.0)
    if name == "accuracy":
        return math.sqrt(value * (1 - value) / rows)
    if name == "calibration_error" and prevalence is not None:
        return math.sqrt(prevalence * (1 - prevalence) / rows)
    return abs(value) / math.sqrt(rare)


def _row(before: _Measure, after: _Measure) -> dict[str, Any]:
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
