"""What the command line calls things by name: completed in the shell, and listed in two columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and what they mean, aligned."""
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{name:{width}}  {meaning}" for name, meaning in listed)


def learners(incomplete: str) -> list[str]:
    """Return the learners whose names begin so, for the shell."""
    from scalable.models.learners import LEARNERS

    return _beginning(incomplete, LEARNERS)


def datasets(incomplete: str) -> list[str]:
    """Return the datasets that can be generated whose names begin so, for the shell."""
    import data_gen

    return _beginning(incomplete, data_gen.datasets())


def answers(incomplete: str) -> list[str]:
    """Return the answers whose ids begin so, for the shell."""
    from bench.answers.answer import ids

    return _beginning(incomplete, ids())


def mistyped(words: Iterable[str], missing: Sequence[str]) -> str:
    """Return what to say of the first word that is nearly a missing option, which is why that one is missing; or ""."""
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and (meant := difflib.get_close_matches(name, missing, 1, 0.75)):
            return f"unknown option {name}; did you mean {meant[0]}?"
    return ""


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
