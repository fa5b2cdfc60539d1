"""The numbers of a results document that can get better or worse, each with its name and expected noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scalable.report.sections import KNOWN
from scalable.report.units import METRICS, Unit, unit

# Relative spread to expect of a single timing, tail latency or peak memory on a quiet machine.
TIME, TAIL, MEMORY = 0.10, 0.25, 0.05
QUALITY = 0.005  # of a metric whose number of rows is not told: two of these standard errors of 0.25%
CALLS = 100  # with fewer, the 99th percentile is the slowest call, which says little
_TAILS = ("p99", "p999", "p9999", "max")
_SETTINGS = (
    "rows",
    "columns",
    "workers",
    "threads",
    "ranks",
    "hosts",
    "trees",
    "leaves",
    "batch",
    "fraction",
)
NAMES = 60  # letters; longer texts explain and do not name


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a document: its key, value, direction if known, expected noise (absolute) and repeats."""

    key: tuple[str, ...]
    value: float
    larger_is_better: bool | None
    noise: float
    samples: tuple[float, ...] = ()


def measures(document: dict[str, Any]) -> dict[tuple[str, ...], Measure]:
    """Return the measures of a document by their keys; of equal keys the median, with all as repeats."""
    found: dict[tuple[str, ...], list[Measure]] = {}
    for measure in _all(document.get("sections", {})):
        found.setdefault(measure.key, []).append(measure)
    return {key: same[0] if len(same) == 1 else _median(same) for key, same in found.items()}


def _median(same: list[Measure]) -> Measure:
    """Return repeats of one measure as one."""
    values = tuple(measure.value for measure in same)
    middle = statistics.median(values)
    first = same[0]
    relative = first.noise / abs(first.value) if first.value else 0.0
    return replace(first, value=middle, noise=relative * abs(middle), samples=values)


def _all(sections: dict[str, Any]) -> Iterator[Measure]:
    for stage in _rows(sections.get("stages")):
        yield from _costs(stage, (str(stage.get("name")),))
    for row in _rows(sections.get("quality")):
        for name, (heading, larger) in METRICS.items():
            if _number(row.get(name)):
                yield Measure((str(row.get("model")), heading), row[name], larger, 2 * _error(name, row))
    latency = sections.get("latency")
    for batch, rows in latency.items() if isinstance(latency, dict) else ():
        for row in _rows(rows):
            for key, spread in (("p50_us", TIME), ("p99_us", TAIL)):
                few = key == "p99_us" and row.get("calls", CALLS) < CALLS
                if _number(row.get(key)) and not few:
                    call = (str(row.get("engine")), f"{batch} row(s)", key.removesuffix("_us") + " µs")
                    samples = _samples(row, "samples_us") if key == "p50_us" else ()
                    yield Measure(call, row[key], False, _noise(spread * row[key], samples), samples)
    for row in _rows(sections.get("peers")):
        contender = (str(row.get("job")), str(row.get("peer")))
        yield from _costs(row, contender)
        for name, value in (row.get("quality") or {}).items():
            if name in METRICS and _number(value):
                heading, larger = METRICS[name]
                rows_measured = {name: value, "rows": row.get("held_out_rows")}
                yield Measure((*contender, heading), value, larger, 2 * _error(name, rows_measured))
    for name, section in sections.items():
        if name not in KNOWN or name == "scaling":
            yield from _leaves(section, (), None)


def _leaves(value: Any, path: tuple[str, ...], inherited: Unit | None) -> Iterator[Measure]:
    """Yield the numbers of a section of any shape: those that a unit judges, and each row's ``value``."""
    if isinstance(value, list):
        for row in _rows(value):
            yield from _leaves(row, path, inherited)
        return
    if not isinstance(value, dict):
        return
    # rows are told apart by their texts and by what was set, not by what was measured
    label = [str(item) for item in value.values() if isinstance(item, str) and len(item) <= NAMES]
    label += [f"{value[key]:,} {key}" for key in _SETTINGS if _number(value.get(key))]
    if path or label:
        path = (*path, *label)
    for key, item in value.items():
        how = unit(key)
        if not how.kind and inherited is not None:
            how = inherited
        if isinstance(item, (dict, list)):
            yield from _leaves(item, (*path, key.replace("_", " ")), how if how.kind else None)
        elif _number(item) and key not in _SETTINGS and (key == "value" or how.larger_is_better is not None):
            noise = _expected(key, how, item, value)
            yield Measure((*path, key.replace("_", " ")), item, how.larger_is_better, noise)


def _expected(key: str, how: Unit, value: float, row: dict[str, Any]) -> float:
    """Return the noise to expect of a number of this kind."""
    if how.kind == "quality" and key in METRICS:
        return 2 * _error(key, row)
    spread = {"memory": MEMORY, "quality": QUALITY}.get(how.kind, TIME)
    return abs(value) * (TAIL if key.split("_", maxsplit=1)[0] in _TAILS else spread)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _rows(section: Any) -> list[dict[str, Any]]:
    return [row for row in section if isinstance(row, dict)] if isinstance(section, list) else []


def _costs(row: dict[str, Any], name: tuple[str, ...]) -> Iterator[Measure]:
    """Yield time and memory of a stage or a contender."""
    if _number(row.get("seconds")):
        samples = _samples(row, "samples")
        noise = _noise(TIME * row["seconds"], samples)
        yield Measure((*name, "seconds"), row["seconds"], False, noise, samples)
    if _number(row.get("peak_memory_bytes")):
        peak = row["peak_memory_bytes"]
        yield Measure((*name, "peak memory"), peak, False, MEMORY * peak)


def _samples(row: dict[str, Any], key: str) -> tuple[float, ...]:
    return tuple(value for value in row.get(key) or () if _number(value))


def _noise(expected: float, samples: tuple[float, ...]) -> float:
    """Return the noise to expect, or half the range of the repeats where that is more."""
    return max(expected, (max(samples) - min(samples)) / 2) if samples else expected


def _error(name: str, row: dict[str, Any]) -> float:
    """Return the standard error of a quality metric on `rows` held-out rows, or half of `QUALITY` if unknown."""
    if _number(row.get(f"{name}_se")):
        return float(row[f"{name}_se"])
    value = float(row[name])
    rows: float | None = row.get("rows")
    prevalence: float | None = row.get("prevalence")
    if not rows:
        return abs(value) * QUALITY / 2
    positives = rows * prevalence if prevalence is not None else rows
    rare = max(min(positives, rows - positives) if prevalence is not None else rows, 1.0)
    if name == "accuracy":
        return math.sqrt(value * (1 - value) / rows)
    if name == "calibration_error" and prevalence is not None:
        return math.sqrt(prevalence * (1 - prevalence) / rows)
    return abs(value) / math.sqrt(rare)
