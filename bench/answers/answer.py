"""One answer: a question, a claim that may fail, what is measured, and the sentences that the numbers fill in.

An answer is a file ``bench/answers/SECTION/ID.py`` (with `_` for `-` in the id) that has

- a docstring whose first line is the question,
- ``CLAIM``, one sentence, and ``holds(found)``, which checks it,
- ``QUICK`` and ``STANDARD``, numbers of rows, or of what ``UNIT`` says, and ``measure(rows)``, which returns what it
  found as JSON's types,
- ``ANSWER``, three to eight sentences with fields of what was found, as in ``{gap:.3f}``; the first is the short
  answer, the last one says what the numbers do not show,
- ``draw(found, axes)``, its figure, and ``LINKS``, the files that do the same in earnest.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalable.errors import UsageError

HERE = Path(__file__).resolve().parent
SECTIONS = {
    "linear_models": "Linear models",
    "logistic_regression": "Logistic regression",
    "support_vector_machines": "Support vector machines",
    "trees": "Trees and ensembles",
    "naive_bayes": "Naive Bayes",
    "probability": "Probabilistic thinking",
    "deep_learning": "Deep learning",
    "metrics": "Metrics",
    "validation": "Validation",
    "feature_engineering": "Feature engineering",
    "system_design": "System design",
    "senior": "Senior questions",
    "derivations": "Derivations",
}
Found = dict[str, Any]
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z`])")


@dataclass(frozen=True)
class Answer:
    """One answer, read from its file; see the module for the parts."""

    id: str
    section: str
    question: str
    claim: str
    quick: int
    standard: int
    text: str
    links: tuple[str, ...]
    unit: str
    measure: Callable[[int], Found]
    holds: Callable[[Found], bool]
    draw: Callable[[Found, Any], None]

    @property
    def path(self) -> Path:
        """The file."""
        return HERE / self.section / f"{self.id.replace('-', '_')}.py"

    def sentences(self, found: Found) -> list[str]:
        """Return the answer with the numbers that were found in it, sentence by sentence."""
        return _SENTENCE.split(" ".join(self.text.format(**found).split()))


def ids() -> list[str]:
    """Return all ids, section by section."""
    return [path.stem.replace("_", "-") for section in SECTIONS for path in _files(section)]


def find(wanted: str) -> Answer:
    """Return an answer by its id.

    Raises
    ------
    UsageError
        When there is none; the message proposes the nearest.
    """
    name = wanted.replace("-", "_")
    for section in SECTIONS:
        if name in {path.stem for path in _files(section)}:
            return _read(section, name)
    near = difflib.get_close_matches(wanted, ids(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`scalable answer --list` names all"
    raise UsageError(f"there is no answer {wanted!r}; {hint}")


def _files(section: str) -> list[Path]:
    return sorted(path for path in (HERE / section).glob("*.py") if path.stem != "__init__")


def _read(section: str, name: str) -> Answer:
    module: Any = importlib.import_module(f"bench.answers.{section}.{name}")
    return Answer(
        id=name.replace("_", "-"),
        section=section,
        question=(inspect.getdoc(module) or "").splitlines()[0],
        claim=module.CLAIM,
        quick=module.QUICK,
        standard=module.STANDARD,
        text=module.ANSWER,
        links=module.LINKS,
        unit=getattr(module, "UNIT", "rows"),
        measure=module.measure,
        holds=module.holds,
        draw=module.draw,
    )
