"""Is it slower? The median of ratios of neighbouring samples, and how sure that is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

FACTOR = 1.03
SURE = 1e-4  # towards either side, so that of 1,000 comparisons of a build with itself a fifth of one is beyond it
LEVEL = 0.95  # of the interval that must be within the factor for two sides to be called the same


def sign_p(ratios: Sequence[float]) -> float:
    """Return the chance of at least so many ratios above 1 if both sides were alike (one-sided sign test)."""
    n, slower = len(ratios), sum(ratio > 1 for ratio in ratios)
    return float(sum(comb(n, k) for k in range(slower, n + 1)) / 2**n)


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Return order statistics that have the median between them with at least `level`; infinite if values are few."""
    ordered, n = sorted(values), len(values)
    k, tail = 0, 0.5**n
    while tail <= (1 - level) / 2:
        k += 1
        tail += comb(n, k) / 2**n
    return (ordered[k - 1], ordered[n - k]) if k else (0.0, float("inf"))


def most_alarms(alarms: int, comparisons: int, level: float = LEVEL) -> float:
    """Return the share of false alarms that so many found do not speak against (Clopper and Pearson, one-sided)."""
    from scipy.stats import beta

    return 1.0 if alarms >= comparisons else float(beta.ppf(level, alarms + 1, comparisons - alarms))


def least_found(found: int, injected: int, level: float = LEVEL) -> float:
    """Return the share of slowdowns found that so many found do not speak against (Clopper and Pearson, one-sided)."""
    return 1.0 - most_alarms(injected - found, injected, level)


def judge(base: Sequence[float], head: Sequence[float], factor: float = FACTOR) -> dict[str, Any]:
    """Return the verdict on paired samples.

    Parameters
    ----------
    base, head : sequence of float
        Times of neighbouring samples, in pairs.
    factor : float
        Ratio above which a change matters.

    Returns
    -------
    dict
        ``base`` and ``head`` (medians), ``ratio`` (median of head / base over pairs), ``low`` and ``high`` (its
        quartiles), ``p`` (sign test towards the ratio's side) and ``verdict``: "slower" or "faster" when the
        ratio is beyond `factor` and p below 0.0001; "same" when the whole interval of the ratio (`least` to `most`, see
        `interval`) is within `factor`; "cannot tell" otherwise.
    """
    ratios = [h / b for b, h in zip(base, head, strict=True)]
    ratio = statistics.median(ratios)
    p = min(sign_p(ratios), sign_p([1 / r for r in ratios]))
    least, most = interval(ratios)
    verdict = "same" if 1 / factor < least and most < factor else "cannot tell"
    if p < SURE and ratio > factor:
        verdict = "slower"
    elif p < SURE and ratio < 1 / factor:
        verdict = "faster"
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratio, ratio, ratio)
    return {
        "base": statistics.median(base), "head": statistics.median(head), "ratio": ratio, "low": low,
        "high": high, "least": least, "most": most, "p": p, "pairs": len(ratios), "verdict": verdict,
    }  # fmt: skip


def judge_all(samples: Mapping[str, Mapping[str, Any]], factor: float = FACTOR) -> list[dict[str, Any]]:
    """Return a verdict for each work; one that a side cannot do is "skipped" with the reason."""
    return [
        {"work": work, "verdict": "skipped", "message": sides["missing"]}
        if "missing" in sides
        else {"work": work, **judge(sides["base"], sides["head"], factor)}
        for work, sides in samples.items()
    ]


def markdown(
    rows: Sequence[Mapping[str, Any]],
    base: str,
    head: str,
    factor: float = FACTOR,
    machine: str = "",
    unit: str = "row",
) -> str:
    """Return the verdicts as a Markdown summary; without rows, that the sides do not differ."""
    if not rows:
        return (
            f"### {head} against {base}: nothing to measure\n\nBoth build the same packages, file for file.\n"
        )
    slower = [row["work"] for row in rows if row["verdict"] == "slower"]
    unsure = [row["work"] for row in rows if row["verdict"] == "cannot tell"]
    headline = f"**slower: {', '.join(slower)}**" if slower else "nothing slower"
    headline += f"; cannot tell: {', '.join(unsure)}" if unsure else ""
    lines = [
        f"### {head} against {base}: {headline}",
        "",
        f"| work | {base} | {head} | ratio | its interval | p | verdict |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        if row["verdict"] == "skipped":
            reason = " ".join(row["message"].split()).replace("|", "\\|")
            lines.append(f"| {row['work']} | | | | | | skipped: {reason} |")
        else:
            lines.append(
                f"| {row['work']} | {row['base']:,.1f} ns | {row['head']:,.1f} ns | {row['ratio']:.3f} "
                f"| {row['least']:.3f} to {row['most']:.3f} | {row['p']:.1g} | {row['verdict']} |"
            )
    pairs = max((row.get("pairs", 0) for row in rows), default=0)
    return "\n".join([
        *lines,
        "",
        f"Nanoseconds a {unit}, medians of {pairs} samples a side, taken in turns on one machine"
        f"{f' ({machine})' if machine else ''}. The ratio is that of neighbouring samples: above 1, {head} is slower. "
        f"Slower beyond a factor of {factor:g} with p < {SURE:g}; the same where the {LEVEL:.0%} interval of the "
        "median ratio is within that factor; else nobody can tell, and a quieter machine or more turns are needed.",
        "",
    ])  # fmt: skip
