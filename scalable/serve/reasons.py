"""Answers that say what each column of a row added to its score."""

from __future__ import annotations

from typing import Any

from scalable.models.explanation import Explanation
from scalable.serve.refusal import RefusalError


def asked_reasons(query: bytes) -> int | None:
    """Return the `k` of ``top=k``, None for all contributions.

    Raises
    ------
    RefusalError
        400 where the query says something else.
    """
    if not query:
        return None
    name, _, value = query.partition(b"=")
    if name != b"top" or not value.isdigit() or len(value) > 6:
        raise RefusalError(400, f"expected ?top=K or nothing, found ?{query.decode('latin-1'):.60}")
    return int(value)


def explanation_rows(found: Explanation, top: int | None) -> list[dict[str, Any]]:
    """Return what JSON says of each row: `score`, `expected`, and `contributions` by column or `reasons`.

    With several outputs each is an object by class.
    """
    expected, scores = found.expected.tolist(), found.scores.tolist()
    reasons = None if top is None else found.reasons(top)
    rows = []
    for i, contributions in enumerate(found.contributions.tolist()):
        row = {
            "score": _by_output(found, scores[i]),
            "expected": _by_output(found, expected),
        }
        if reasons is None:
            named = [dict(zip(found.columns, values, strict=True)) for values in contributions]
            row["contributions"] = _by_output(found, named)
        else:
            row["reasons"] = reasons[i]
        rows.append(row)
    return rows


def _by_output(found: Explanation, values: list[Any]) -> Any:
    return values[0] if len(found.outputs) == 1 else dict(zip(found.outputs, values, strict=True))
