"""A model card (Mitchell et al., 2019): what a model is, how good it is on whom, what moves it, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.row_sample import sampled_blocks
from scalable.models.explanation import Explanation
from scalable.models.predictors import Predictor
from scalable.models.store import SEAL
from scalable.scoring.evaluate import base_rates, evaluate_model, quality_row
from scalable.scoring.explain_files import SAMPLE, section_of, shown
from scalable.scoring.segments import MOST_SEGMENTS, SegmentReduction, frequent
from scalable.storage.files import sha256_of

SEGMENTED = 3  # columns that are taken where none are named
CLEAR = 0.3  # a rank correlation from which a direction is called one
FEW_ROWS = 100  # a segment below this says little
SCALES = {
    "binary": "log odds",
    "multiclass": "scores before the softmax",
    "regression": "units before the link",
}


def card(
    path: Path, predictor: Predictor, source: Source, executor: Executor, by: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the sections of a model's card.

    Parameters
    ----------
    path : Path
        Of the model, for its fingerprint.
    predictor : Predictor
    source : Source
        Labelled rows that the model has not learned from.
    executor : Executor
    by : sequence of str, optional
        Columns whose categories are the segments; by default the strongest of few categories.

    Raises
    ------
    UsageError
        A column of `by` is not among the data's.
    DataError
        A label is unknown to the model.
    """
    unknown = [name for name in by or () if name not in source.full_schema.names]
    if unknown:
        raise UsageError(f"--by names {unknown[0]!r}, which is not a column of {source.describe_place()}")
    report = evaluate_model(predictor, source, executor)
    columns = tuple(dict.fromkeys([*predictor.needed, *(by or ())]))
    sample = sampled_blocks(source, columns, SAMPLE, executor, label="sample")
    sections: dict[str, Any] = {
        "model": facts(path, predictor),
        "quality": [
            quality_row(path.name, report, predictor.classes),
            {"model": "base rate", **base_rates(report)},
        ],
    }
    try:
        found = Explanation.joined([predictor.explain_block(block) for block in sample])
    except UsageError as error:
        sections["explanations"] = str(error)
        strongest = list(predictor.needed)
    else:
        values = {name: [v for block in sample for v in shown(block.arrays[name])] for name in found.columns}
        sections["explanation"] = section_of(found, values)
        sections["directions"] = directions(found, values, promised(predictor))
        sections["reasons"] = reasons(found)
        order = np.argsort(-np.abs(found.contributions).mean(axis=(0, 1)), kind="stable")
        strongest = [found.columns[j] for j in order]
    segments = frequent(sample, list(by) if by else strongest)
    if not by:
        few = [name for name in strongest if 1 < len(segments[name]) < MOST_SEGMENTS]
        segments = {name: segments[name] for name in few[:SEGMENTED]}
    if segments:
        reduction = SegmentReduction(predictor, source.roles, segments)
        read = tuple(dict.fromkeys([*columns, *source.roles.learned_from]))
        sections["segments"] = run_reduction(
            executor, reduction, BlockReader(source, columns=read), label="segments"
        )
    sections["limits"] = limits(predictor, sections)
    return sections


def facts(path: Path, predictor: Predictor) -> dict[str, Any]:
    """Return what the model is."""
    seal = path / SEAL
    found: dict[str, Any] = {
        "kind": predictor.kind,
        "task": predictor.task,
        "classes": None if predictor.classes is None else ", ".join(str(name) for name in predictor.classes),
        "columns": len(predictor.needed),
        "fingerprint": (seal.read_text().strip() if path.is_dir() else sha256_of(path))[:16],
    }
    forest, coef = getattr(predictor, "forest", None), getattr(predictor, "coef", None)
    if forest is not None:
        trees = forest.forest.trees
        found |= {"library": forest.forest.library, "objective": forest.objective, "trees": trees.n_trees,
                  "leaves": len(trees.leaf_value)}  # fmt: skip
    if coef is not None:
        found |= {"coefficients": int(coef.size), "link": getattr(predictor, "link", None)}
    learned = getattr(predictor, "learned_from", None)
    return found | ({"learned_from": learned.get("rows")} if learned else {})


def promised(predictor: Predictor) -> dict[str, str]:
    """Return the columns in which the model is monotone by its making, and their direction."""
    names = {1: "rising", -1: "falling"}
    if predictor.kind == "linear" and len(predictor.coef) == 1:  # type: ignore[attr-defined]
        out, at = {}, 0
        for column in predictor.encoder.columns:
            if column.simple and column.action == "number":
                out[column.name] = names.get(int(np.sign(predictor.coef[0, at])), "flat")  # type: ignore[attr-defined]
            at += column.n_columns
        return out
    told = re.search(r"^\[monotone_constraints: ([-\d,]+)\]", getattr(predictor, "text", ""), re.MULTILINE)
    if told is None:
        return {}
    signs = [int(sign) for sign in told[1].split(",")]
    made = [name for column in predictor.encoder.columns for name in [column.name] * column.width]
    return {name: names[sign] for name, sign in zip(made, signs, strict=False) if sign}


def directions(
    found: Explanation, values: dict[str, list[Any]], sure: dict[str, str]
) -> list[dict[str, Any]]:
    """Return a row a column of numbers: the direction that is promised, and the one that the sample shows."""
    rows = []
    for j, name in enumerate(found.columns):
        x = np.array([v if isinstance(v, (int, float)) else np.nan for v in values[name]], float)
        y = found.contributions[:, -1, j]
        known = np.isfinite(x)
        if known.sum() < 3 or np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
            continue
        rank = float(stats.spearmanr(x[known], y[known]).statistic)
        shows = "rising" if rank > CLEAR else "falling" if rank < -CLEAR else "mixed"
        rows.append(
            {"column": name, "promised": sure.get(name), "sample_shows": shows, "rank_correlation": rank}
        )
    return rows


def reasons(found: Explanation) -> list[dict[str, Any]]:
    """Return how often each column is the first reason of a sampled row, the most frequent first."""
    order, values = found.top(1)
    rows = []
    for j, name in enumerate(found.columns):
        first = order[:, -1, 0] == j
        if first.any():
            raised = float((values[first, -1, 0] > 0).mean())
            rows.append({"column": name, "first_reason": float(first.mean()), "of_these_raising": raised})
    return sorted(rows, key=lambda row: -row["first_reason"])


def limits(predictor: Predictor, sections: dict[str, Any]) -> list[str]:
    """Return what a reader must not take from the card."""
    beyond = (
        "go on along its line"
        if predictor.kind == "linear"
        else "count as the nearest that the model tells apart"
    )
    out = [
        f"Contributions are in {SCALES.get(predictor.task, 'units before the link')}. They say what moved this model, "
        "not what causes the target.",
        f"Categories that training did not see are treated as one; values beyond those of training {beyond}. Neither "
        "is marked in a prediction.",
        "Figures hold for rows drawn as these were; the data's fingerprint and the command say which.",
    ]
    small = [
        f"{row['column']} = {row['segment']}"
        for row in sections.get("segments", ())
        if row["rows"] < FEW_ROWS
    ]
    if small:
        named = ", ".join(small[:6]) + (f" and {len(small) - 6} more" if len(small) > 6 else "")
        out.append(f"Segments of fewer than {FEW_ROWS} rows say little: {named}.")
    described = getattr(getattr(predictor, "encoder", None), "describe", None)
    return out + ([f"Column {line}." for line in described()] if described is not None else [])
