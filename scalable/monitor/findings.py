"""From counts to what is said: every figure of every period, its threshold, and whether it is an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.monitor import divergences as div
from scalable.monitor.bins import ColumnBins
from scalable.monitor.profile import Profile
from scalable.monitor.quality import Calibration, Measured, auc_of, calibrate, expected, mean_loss, means
from scalable.monitor.scores import SUMS
from scalable.monitor.thresholds import Thresholds

LEAST = 100  # rows below which a slice is left alone


class Finding(NamedTuple):
    """One figure of one period.

    Attributes
    ----------
    period : int
    column : str
        A column, ``prediction``, ``performance``, or ``COLUMN=BIN`` for a slice.
    statistic : str
    value : float
    threshold : float or None
        From where on it is an alarm; None where there is nothing to hold it against.
    reference : float or None
        The same figure of the reference.
    low, high : float or None
        95 % interval; 97 % of expected figures.
    alarm : bool
    """

    period: int
    column: str
    statistic: str
    value: float
    threshold: float | None = None
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    alarm: bool = False


class _Expectation(NamedTuple):
    """How scores came true in the reference, and what that makes its performance."""

    calibration: Calibration
    base: dict[str, Measured]


def find(profile: Profile, periods: dict[int, NDArray[np.int64]], thresholds: Thresholds) -> list[Finding]:
    """Return the figures of all periods."""
    expectation = None
    if profile.layout.task == "binary" and profile.labelled:
        calibration = calibrate(profile.part("labelled"), profile.part("positive"))
        expectation = _Expectation(calibration, expected(profile.part("scores"), calibration))
    return [
        f for period, counts in periods.items() for f in _of(profile, period, counts, thresholds, expectation)
    ]


def _of(
    profile: Profile,
    period: int,
    counts: NDArray[np.int64],
    limits: Thresholds,
    expectation: _Expectation | None,
) -> Iterator[Finding]:
    layout = profile.layout
    for bins in layout.columns:
        now, before = layout.part(counts, "column", bins.name), profile.part("column", bins.name)
        yield from _column(period, bins.name, bins, before, now, limits)
    if layout.prediction is None:
        return
    yield from _column(
        period,
        "prediction",
        layout.prediction,
        profile.part("prediction"),
        layout.part(counts, "prediction"),
        limits,
    )
    if layout.classes:
        yield from _shape(
            period, "class", None, profile.part("classes"), layout.part(counts, "classes"), limits
        )
    if expectation is not None:
        yield from _expected(profile, period, layout.part(counts, "scores"), limits, expectation)
    if layout.part(counts, "sums")[0]:
        yield from _performance(profile, period, counts, limits)


def _column(
    period: int,
    name: str,
    bins: ColumnBins,
    before: NDArray[np.int64],
    now: NDArray[np.int64],
    limits: Thresholds,
) -> Iterator[Finding]:
    n, m = int(now.sum()), int(before.sum())
    if not n or not m:
        return
    yield _share(period, name, "missing", limits.missing, now[-1], n, before[-1], m, limits)
    if bins.kind == "text":
        if bins.complete:
            yield _share(period, name, "new categories", limits.unknown, now[-2], n, before[-2], m, limits)
        yield from _shape(period, name, None, before[:-1], now[:-1], limits)
        return
    out_now, out_before = now[0] + now[-2], before[0] + before[-2]
    yield _share(period, name, "out of range", limits.outside, out_now, n, out_before, m, limits)
    yield from _shape(period, name, bins, before[:-1], now[:-1], limits)


def _share(
    period: int, name: str, what: str, effect: float, k: Any, n: int, k0: Any, m: int, limits: Thresholds
) -> Finding:
    value, reference = int(k) / n, int(k0) / m
    allowed = limits.of_share(effect, int(k), n, int(k0), m)
    return Finding(
        period, name, what, value, reference + allowed, reference, alarm=abs(value - reference) > allowed
    )


def _shape(
    period: int,
    name: str,
    bins: ColumnBins | None,
    before: NDArray[np.int64],
    now: NDArray[np.int64],
    limits: Thresholds,
) -> Iterator[Finding]:
    n, m = int(now.sum()), int(before.sum())
    if not n or not m:
        return
    few_before, few_now = div.without_rare(before, now)
    k = int(np.count_nonzero(few_before))
    values = {
        "psi": (div.psi(few_before, few_now), limits.of_psi(n, m, len(few_before))),
        "js": (div.jensen_shannon(few_before, few_now), limits.of_js(n, m, max(k, 2))),
    }
    if bins is not None:
        points = np.array(bins.points) / bins.scale
        cumulated = np.cumsum(before)[:-1] / m
        steps = np.diff(points)
        values["ks"] = (div.kolmogorov_smirnov(before, now), limits.of_ks(n, m))
        values["wasserstein"] = (
            div.wasserstein(before, now, points),
            limits.of_wasserstein(n, cumulated, steps, m),
        )
    for statistic, (value, threshold) in values.items():
        yield Finding(period, name, statistic, value, threshold, 0.0, alarm=value > threshold)


def _expected(
    profile: Profile, period: int, scores: NDArray[np.int64], limits: Thresholds, expectation: _Expectation
) -> Iterator[Finding]:
    """Yield the performance to expect without labels; alarms where even the better end of the interval is worse."""
    before = expectation.base
    for statistic, found in expected(scores, expectation.calibration).items():
        base = before[statistic].value if statistic in before else None
        threshold, alarm = None, False
        if base is not None and statistic == "auc":
            threshold = base - limits.auc
            alarm = not profile.seen and found.value + limits.z * found.error < threshold
        yield Finding(
            period, "expected", statistic, found.value, threshold, base, found.low, found.high, alarm
        )


def _performance(
    profile: Profile, period: int, counts: NDArray[np.int64], limits: Thresholds
) -> Iterator[Finding]:
    layout, task = profile.layout, profile.layout.task
    against = profile.labelled > 1 and not profile.seen
    if task == "binary":
        now = auc_of(layout.part(counts, "labelled"), layout.part(counts, "positive"))
        base = auc_of(profile.part("labelled"), profile.part("positive")) if against else None
        if now is not None:
            yield _worse(period, "performance", "auc", now, base, limits.auc, limits, lower=True)
    yield from _losses(
        task, period, "performance", layout.part(counts, "sums"), profile.part("sums"), limits, against
    )
    for bins in layout.slices:
        labels = [*bins.labels(), "missing"]
        here = layout.part(counts, "slices", bins.name).reshape(-1, SUMS)
        there = profile.part("slices", bins.name).reshape(-1, SUMS)
        for label, sums, reference in zip(labels, here, there, strict=True):
            if sums[0] >= LEAST and reference[0] >= LEAST:
                yield from _losses(task, period, f"{bins.name}={label}", sums, reference, limits, against)


def _losses(
    task: str,
    period: int,
    name: str,
    sums: NDArray[np.int64],
    reference: NDArray[np.int64],
    limits: Thresholds,
    against: bool,
) -> Iterator[Finding]:
    now, before = mean_loss(task, sums), mean_loss(task, reference) if against else None
    if now is None:
        return
    effect = limits.loss * (before.value if before is not None else 0.0)
    yield _worse(period, name, "loss", now, before, effect, limits, lower=False)
    if task != "binary":
        return
    n, y, p = means(task, sums)
    if p <= 0:
        return
    ratio, error = y / p, float(np.sqrt(max(p * (1 - p), 1e-12) / n) / p)
    if not against:
        yield Finding(period, name, "observed/predicted", ratio, None, None)
        return
    m, y0, p0 = means(task, reference)
    base = y0 / p0 if p0 > 0 else 1.0
    base_error = float(np.sqrt(max(p0 * (1 - p0), 1e-12) / max(m, 1)) / max(p0, 1e-12))
    # Bernstein's second term: of few positives the ratio's tails are longer than a normal's
    allowed = limits.calibration + limits.z * float(np.hypot(error, base_error)) + limits.z**2 / (3 * n * p)
    yield Finding(
        period, name, "observed/predicted", ratio, base + allowed, base, alarm=abs(ratio - base) > allowed
    )


def _worse(
    period: int,
    name: str,
    statistic: str,
    now: Measured,
    before: Measured | None,
    effect: float,
    limits: Thresholds,
    *,
    lower: bool,
) -> Finding:
    if before is None:
        return Finding(period, name, statistic, now.value, None, None, now.low, now.high)
    allowed = effect + limits.z * float(np.hypot(now.error, before.error))
    sign = -1 if lower else 1
    worse = sign * (now.value - before.value) > allowed
    return Finding(
        period,
        name,
        statistic,
        now.value,
        before.value + sign * allowed,
        before.value,
        now.low,
        now.high,
        worse,
    )
