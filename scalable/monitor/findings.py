"""From counts to what is said: every figure of every period, its threshold, and whether it is an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.monitor import divergences as div
from scalable.monitor.bins import ColumnBins
from scalable.monitor.profile import Profile
from scalable.monitor.quality import Measured, auc_error, auc_of, expected, mean_loss, means
from scalable.monitor.rates import Calibration, calibrate
from scalable.monitor.scores import SUMS, N
from scalable.monitor.thresholds import Thresholds

LEAST = (
    100  # rows below which a slice is left alone, and no loss is an alarm: its error is not known well enough
)
LEAST_OF_CLASS = 10  # below which no AUC is
TOGETHER, FEW = 256, 16  # periods whose figures are computed together, and whose score grids are


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


class Figure(NamedTuple):
    """One figure of several periods.

    Attributes
    ----------
    column, statistic : str
    value : float64 (n_periods,)
    there : bool (n_periods,)
        Whether a period has it.
    threshold, low, high : float64 (n_periods,) or None
    reference : float or None
    alarm : bool (n_periods,) or None
    """

    column: str
    statistic: str
    value: NDArray[np.float64]
    there: NDArray[np.bool_]
    threshold: NDArray[np.float64] | None = None
    reference: float | None = None
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    alarm: NDArray[np.bool_] | None = None

    def at(self, k: int, period: int) -> Finding:
        """Return the figure of the k-th period."""
        bounds = (
            None if bound is None else float(bound[k]) for bound in (self.threshold, self.low, self.high)
        )
        threshold, low, high = bounds
        alarm = self.alarm is not None and bool(self.alarm[k])
        value = float(self.value[k])
        return Finding(
            period, self.column, self.statistic, value, threshold, self.reference, low, high, alarm
        )


class Findings:
    """The figures of all periods, in order of time: few are looked at of many, so each is made when it is.

    Parameters
    ----------
    parts : list of (list of int, list of Figure)
        Periods and their figures.
    """

    def __init__(self, parts: list[tuple[list[int], list[Figure]]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(int(np.count_nonzero(figure.there)) for _, figures in self._parts for figure in figures)

    def __iter__(self) -> Iterator[Finding]:
        for periods, figures in self._parts:
            for k, period in enumerate(periods):
                yield from (figure.at(k, period) for figure in figures if figure.there[k])

    @property
    def alarms(self) -> list[Finding]:
        """Those that are alarms."""
        found = []
        for periods, figures in self._parts:
            alarming = [each for each in figures if each.alarm is not None and each.alarm.any()]
            where = np.array([each.alarm for each in alarming], bool).reshape(len(alarming), len(periods))
            found += [alarming[place].at(k, periods[k]) for k, place in np.argwhere(where.T).tolist()]
        return found


class _Expectation(NamedTuple):
    """How scores came true in the reference, and what that makes its performance."""

    calibration: Calibration
    base: dict[str, Measured]


def find(
    profile: Profile, periods: dict[int, NDArray[np.int64]], thresholds: Thresholds, time: str | None = None
) -> Findings:
    """Return the figures of all periods; those of the column `time`, which differs by nature, without alarms."""
    expectation = None
    if profile.layout.task == "binary" and profile.labelled:
        calibration = calibrate(profile.part("labelled"), profile.part("positive"))
        expectation = _Expectation(calibration, expected(profile.part("scores"), calibration))
    names, parts = list(periods), []
    room = np.empty((min(len(names), TOGETHER), profile.layout.size), np.int64)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # of periods without rows, whose figures are left out
        for begin in range(0, len(names), TOGETHER):
            some = names[begin : begin + TOGETHER]
            counts = np.stack([periods[name] for name in some], out=room[: len(some)])
            figures = _figures(profile, counts, thresholds, expectation)
            parts.append(
                (some, [f._replace(threshold=None, alarm=None) if f.column == time else f for f in figures])
            )
    return Findings(parts)


def _figures(
    profile: Profile, counts: NDArray[np.int64], limits: Thresholds, expectation: _Expectation | None
) -> Iterator[Figure]:
    """Yield the figures of periods, given their counts, shape (n_periods, size)."""
    layout = profile.layout
    for bins in layout.columns:
        now, before = layout.part(counts, "column", bins.name), profile.part("column", bins.name)
        yield from _column(bins.name, bins, before, now, limits)
    if layout.prediction is None:
        return
    now, before = layout.part(counts, "prediction"), profile.part("prediction")
    yield from _column("prediction", layout.prediction, before, now, limits)
    if layout.classes:
        yield from _shape("class", None, profile.part("classes"), layout.part(counts, "classes"), limits)
    if expectation is not None:
        yield from _expected(profile, layout.part(counts, "scores"), limits, expectation)
    if layout.part(counts, "sums")[:, N].any():
        yield from _performance(profile, counts, limits)


def _column(
    name: str, bins: ColumnBins, before: NDArray[np.int64], now: NDArray[np.int64], limits: Thresholds
) -> Iterator[Figure]:
    if not before.any():
        return
    yield _share(name, "missing", limits.missing, now[:, -1], now, before[-1], before, limits)
    if bins.kind == "text":
        if bins.complete:
            yield _share(name, "new categories", limits.unknown, now[:, -2], now, before[-2], before, limits)
        yield from _shape(name, None, before[:-1], now[:, :-1], limits, others=True)
        return
    out_now, out_before = now[:, 0] + now[:, -2], before[0] + before[-2]
    yield _share(name, "out of range", limits.outside, out_now, now, out_before, before, limits)
    yield from _shape(name, bins, before[:-1], now[:, :-1], limits)


def _share(
    name: str,
    what: str,
    effect: float,
    k: NDArray[np.int64],
    now: NDArray[np.int64],
    k0: int,
    before: NDArray[np.int64],
    limits: Thresholds,
) -> Figure:
    n, m = now.sum(axis=1), int(before.sum())
    value, reference = k / n, int(k0) / m
    allowed = limits.of_share(effect, k, n, int(k0), m)
    alarm = np.abs(value - reference) > allowed
    return Figure(name, what, value, n > 0, reference + allowed, reference, alarm=alarm)


def _shape(
    name: str,
    bins: ColumnBins | None,
    before: NDArray[np.int64],
    now: NDArray[np.int64],
    limits: Thresholds,
    *,
    others: bool = False,
) -> Iterator[Figure]:
    n, m = now.sum(axis=1), int(before.sum())
    if not m:
        return
    few_before, few_now = div.without_rare(before, now, others=others)
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
        yield Figure(name, statistic, value, n > 0, threshold, 0.0, alarm=value > threshold)


def _expected(
    profile: Profile, scores: NDArray[np.int64], limits: Thresholds, expectation: _Expectation
) -> Iterator[Figure]:
    """Yield the performance to expect without labels; alarms where even the better end of the interval is worse."""
    before = expectation.base
    for statistic, found in _expected_of(scores, expectation.calibration).items():
        base = float(before[statistic].value) if statistic in before else None
        threshold = alarm = None
        if base is not None and statistic == "auc":
            threshold = np.full(len(scores), base - limits.auc)
            alarm = found.value + limits.z * found.error < threshold if not profile.seen else None
        yield Figure(
            "expected", statistic, found.value, found.there, threshold, base, found.low, found.high, alarm
        )


def _expected_of(scores: NDArray[np.int64], calibration: Calibration) -> dict[str, Measured]:
    """Return what `expected` does, of few periods at a time: their grids then stay in the near cache."""
    parts = [expected(scores[k : k + FEW], calibration) for k in range(0, len(scores), FEW)]
    return {
        name: Measured(
            np.concatenate([part[name].value for part in parts]),
            np.concatenate([part[name].error for part in parts]),
            figure.reach,
        )
        for name, figure in parts[0].items()
    }


def _performance(profile: Profile, counts: NDArray[np.int64], limits: Thresholds) -> Iterator[Figure]:
    layout, task = profile.layout, profile.layout.task
    against = profile.labelled > 1 and not profile.seen
    if task == "binary":
        labelled, won = layout.part(counts, "labelled"), layout.part(counts, "positive")
        known = profile.part("labelled"), profile.part("positive")
        now, base = auc_of(labelled, won), auc_of(*known) if against else None
        m, n = won.sum(axis=-1), (labelled - won).sum(axis=-1)
        some = np.minimum(m, n) >= LEAST_OF_CLASS
        some &= min(known[1].sum(), (known[0] - known[1]).sum()) >= LEAST_OF_CLASS
        like = auc_error(*known, m, n)
        yield _worse("performance", "auc", now, base, limits.auc, limits, like, some, lower=True)
    sums, reference = layout.part(counts, "sums"), profile.part("sums")
    yield from _losses(task, "performance", sums, reference, limits, against)
    for bins in layout.slices:
        labels = [*bins.labels(), "missing"]
        here = layout.part(counts, "slices", bins.name).reshape(len(counts), -1, SUMS)
        there = profile.part("slices", bins.name).reshape(-1, SUMS)
        for k, label in enumerate(labels):
            if there[k, N] >= LEAST:
                sums = np.where(here[:, k, [N]] >= LEAST, here[:, k], 0)
                yield from _losses(task, f"{bins.name}={label}", sums, there[k], limits, against)


def _losses(
    task: str,
    name: str,
    sums: NDArray[np.int64],
    reference: NDArray[np.int64],
    limits: Thresholds,
    against: bool,
) -> Iterator[Figure]:
    now, before = mean_loss(task, sums), mean_loss(task, reference) if against else None
    if not now.there.any():
        return
    effect = limits.loss * (float(before.value) if before is not None and before.there else 0.0)
    rows, m = sums[..., N], reference[N]
    some = (rows >= LEAST) & (m >= LEAST)
    like = 0.0 if before is None else before.error * np.sqrt((m - 1) / np.maximum(rows, 1))
    yield _worse(name, "loss", now, before, effect, limits, like, some, lower=False)
    if task != "binary":
        return
    n, y, p = means(task, sums)
    there = now.there & (p > 0)
    ratio, error = y / p, np.sqrt(np.maximum(p * (1 - p), 1e-12) / n) / p
    if not against:
        yield Figure(name, "observed/predicted", ratio, there)
        return
    m, y0, p0 = (float(each) for each in means(task, reference))
    base = y0 / p0 if p0 > 0 else 1.0
    base_error = float(np.sqrt(max(p0 * (1 - p0), 1e-12) / max(m, 1)) / max(p0, 1e-12))
    # Bernstein's second term: of few positives the ratio's tails are longer than a normal's
    allowed = limits.calibration + limits.z * np.hypot(error, base_error) + limits.z**2 / (3 * n * p)
    alarm = np.abs(ratio - base) > allowed
    yield Figure(name, "observed/predicted", ratio, there, base + allowed, base, alarm=alarm & there)


def _worse(
    name: str,
    statistic: str,
    now: Measured,
    before: Measured | None,
    effect: float,
    limits: Thresholds,
    like: Any,
    some: NDArray[np.bool_],
    *,
    lower: bool,
) -> Figure:
    """Return a figure that is an alarm where it is worse by more than `effect` and the errors of both.

    Few rows may be alike by chance: their error is at least that of as many rows `like` the reference's, and only
    periods with `some` rows give alarms.
    """
    if before is None or not before.there:
        return Figure(name, statistic, now.value, now.there, None, None, now.low, now.high)
    allowed = effect + limits.z * np.hypot(np.maximum(now.error, like), before.error)
    sign, base = -1 if lower else 1, float(before.value)
    worse = some & (sign * (now.value - base) > allowed)
    return Figure(
        name, statistic, now.value, now.there, base + sign * allowed, base, now.low, now.high, worse
    )
