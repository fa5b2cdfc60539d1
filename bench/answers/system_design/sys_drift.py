"""How should a model be kept up to date when the world changes?

Policies of retraining differ in what they forget: old rows help while nothing changes and mislead after a change
(Gama et al., 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 300, 1_000
CLAIM = (
    "After a change a model of the latest rows loses less than one of all rows, before it more; retraining from the "
    "alarm on does both nearly as well as the better one."
)
ANSWER = """By learning anew from the rows since an alarm: with {rows:,} rows a period and a change after {change} of
{periods} periods, the excess log loss in the periods before it was {all_before:.4f} with all rows, {window_before:.4f}
with the latest {window} periods, {alarm_before:.4f} with rows since the last alarm; after it {all_after:.4f},
{window_after:.4f} and {alarm_after:.4f}, and {never_after:.4f} for a model that never learned again. The alarm, a loss
on fresh labels {sigmas} standard errors above that of the period before, came {delay:.1f} periods after the change on
average and falsely in {false:.1%} of the quiet periods. With a little drift every period instead, all rows lost
{all_slow:.4f}, the latest {window_slow:.4f}, those since the alarm {alarm_slow:.4f}. Labels came after one period
here; where they come late every policy is late by as much, and none foresees a change."""
LINKS = ("scalable/monitor/run.py", "bench/desk/replay.py", "docs/monitoring.md")
PERIODS, CHANGE, WINDOW, COLUMNS, WORLDS, SIGMAS = 16, 8, 2, 8, 20, 4
POLICIES = ("never", "all", "window", "alarm")


def measure(rows: int) -> dict[str, Any]:
    """Replay worlds that change at once, and worlds that turn slowly, under each policy."""
    found: dict[str, Any] = {"rows": rows, "periods": PERIODS, "change": CHANGE, "sigmas": SIGMAS}
    found["window"] = WINDOW
    for name, slow in (("sudden", False), ("slow", True)):
        excess = np.zeros((len(POLICIES), PERIODS))
        delays, false = [], 0
        for seed in range(WORLDS):
            lost, alarms = _world(np.random.default_rng(seed), rows, slow)
            excess += lost / WORLDS
            after = [k for k in alarms if k >= CHANGE]
            delays.append((after[0] if after else PERIODS) - CHANGE)
            false += sum(k < CHANGE for k in alarms)
        found[name] = excess.tolist()
        spans = {"before": slice(2, CHANGE), "after": slice(CHANGE + 1, None)}
        spans = {"slow": slice(2, None)} if slow else spans
        for when, span in spans.items():
            found |= {f"{n}_{when}": float(v[span].mean()) for n, v in zip(POLICIES, excess, strict=True)}
        if not slow:
            found |= {"delay": float(np.mean(delays)), "false": false / (WORLDS * (CHANGE - 2))}
    return found


def _world(random: Any, rows: int, slow: bool) -> tuple[Any, list[int]]:
    """Return the excess log loss of each policy in each period, and the periods with an alarm."""
    b, other = random.normal(size=(2, COLUMNS)) / np.sqrt(COLUMNS / 3.0)
    lost, alarms, since = np.zeros((len(POLICIES), PERIODS)), [], 0
    xs, ys = [], []
    models: dict[str, Any] = {}
    before = None  # loss of the alarm's model in the period before
    for k in range(PERIODS):
        share = k / (PERIODS - 1) if slow else float(k >= CHANGE)
        x = random.normal(size=(rows, COLUMNS))
        p = _p(x @ ((1.0 - share) * b + share * other))
        y = (random.random(rows) < p).astype(float)
        for j, policy in enumerate(POLICIES if models else ()):
            q = _p(x @ models[policy])
            lost[j, k] = _loss(p, q) - _loss(p, p)
            if policy == "alarm":
                each = np.where(y == 1.0, -np.log(q), -np.log1p(-q))
                error = each.std() / np.sqrt(rows)
                if before is not None and each.mean() > before + SIGMAS * np.sqrt(2.0) * error:
                    alarms.append(k)
                    since, before = k, None
                else:
                    before = float(each.mean())
        xs.append(x)
        ys.append(y)
        starts = {"all": 0, "window": max(0, k + 1 - WINDOW), "alarm": since}
        for policy, start in starts.items():
            models[policy] = _fit(xs[start:], ys[start:])
        models.setdefault("never", models["all"])
    return lost, alarms


def _p(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def _fit(xs: Any, ys: Any) -> Any:
    """Return the coefficients of a logistic regression with a weak penalty, by Newton's steps."""
    x, y, coef = np.concatenate(xs), np.concatenate(ys), np.zeros(COLUMNS)
    for _ in range(6):
        p = _p(x @ coef)
        hessian = (x.T * (p * (1.0 - p))) @ x + 0.1 * np.eye(COLUMNS)
        coef = coef - np.linalg.solve(hessian, x.T @ (p - y) + 0.1 * coef)
    return coef


def _loss(p: Any, q: Any) -> float:
    return float(-(p * np.log(q) + (1.0 - p) * np.log1p(-q)).mean())


def holds(found: dict[str, Any]) -> bool:
    """Each policy where it is good, the alarm in both."""
    best = {when: min(found[f"{name}_{when}"] for name in ("all", "window")) for when in ("before", "after")}
    return bool(
        found["all_before"] < found["window_before"]
        and found["window_after"] < found["all_after"] < found["never_after"]
        and all(found[f"alarm_{when}"] < 1.5 * best[when] for when in best)
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Excess loss by period."""
    for values, name in zip(found["sudden"], POLICIES, strict=True):
        axes.plot(range(1, found["periods"]), values[1:], label=name)
    axes.axvline(found["change"], color="k", lw=1, ls=":")
    axes.set(xlabel="period", ylabel="excess log loss")
    axes.legend(frameon=False)
