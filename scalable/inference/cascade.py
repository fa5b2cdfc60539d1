"""A cheap model in front of a forest: it answers the rows that it is sure of, the forest the others.

The first is the forest's own first trees, whose score the others then go on from, or a linear model.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import ModelError, UsageError
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.faces import load_compiled
from scalable.inference.linear_row import CompiledLinear
from scalable.kernels.forest.links import SIGMOID
from scalable.storage.documents import understood
from scalable.storage.replace import replacing_directory

FORMAT = 1
DOCUMENT, FIRST, SECOND = "cascade.json", "first.forest", "second.forest"


@dataclass(frozen=True)
class Cascade:
    """Two models of one probability, over a matrix of numbers.

    Attributes
    ----------
    first : CompiledForest or CompiledLinear
    second : CompiledForest
        The trees behind those of a first forest; or the whole forest, behind a linear model.
    margin : float
        The first one answers where its score is farther than this from 0, and is a number.
    """

    first: CompiledForest | CompiledLinear
    second: CompiledForest
    margin: float

    def __post_init__(self) -> None:
        if not is_binary(self.second) or not self.margin >= 0.0:
            raise ModelError("a cascade is of one probability and a margin of 0 or more")
        if (self.first.n_features, self.first.n_outputs) != (self.second.n_features, 1):
            raise ModelError(
                "the models of the cascade take different numbers of columns, or the first has classes"
            )

    @property
    def n_features(self) -> int:
        """Columns of the matrix."""
        return self.second.n_features

    @property
    def _adds(self) -> bool:
        return isinstance(self.first, CompiledForest)

    def predict_one(self, x: Any) -> float:
        """Return the probability of one row."""
        score = self.first.predict_one(x, True)
        scale = self.second.link.scale
        if not abs(score) > self.margin:  # also where it is NaN
            score = (score if self._adds else 0.0) + self.second.predict_one(x, True)
        elif not self._adds:
            scale = 1.0
        return _sigmoid(scale * score)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of rows (n_rows, n_features): those of `predict_one`."""
        X = np.asarray(X, np.float64)
        scores = np.asarray(self.first.predict(X, raw_score=True), np.float64)
        sure = np.abs(scores) > self.margin
        scale = np.where(sure & (not self._adds), 1.0, self.second.link.scale)
        if not sure.all():
            rest = self.second.predict(X[~sure], raw_score=True)
            scores[~sure] = rest + (scores[~sure] if self._adds else 0.0)
        return np.array([_sigmoid(score) for score in (scale * scores).tolist()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a directory that `load_cascade` reads; a ModelError where something else is there."""
        if Path(path).exists() and not (Path(path) / DOCUMENT).is_file():
            raise ModelError(f"{path}: exists and is no cascade; choose another name or remove it")
        document: dict[str, Any] = {"format": FORMAT, "margin": self.margin}
        with replacing_directory(path, (DOCUMENT, FIRST, SECOND)) as place:
            if isinstance(self.first, CompiledForest):
                self.first.save(place / FIRST)
            else:
                document |= {"coef": self.first.coef[0].tolist(), "intercept": float(self.first.intercept[0])}
            self.second.save(place / SECOND)
            (place / DOCUMENT).write_text(json.dumps(document))


def is_binary(forest: CompiledForest) -> bool:
    """Return whether a forest gives one probability by the sigmoid of a sum of trees."""
    return forest.n_outputs == 1 and forest.link.kind == SIGMOID and not forest.forest.average


def _sigmoid(score: float) -> float:
    if score >= 0.0:
        return 1.0 / (1.0 + math.exp(-score))
    grown = math.exp(score)
    return grown / (1.0 + grown)


def load_cascade(path: str | os.PathLike[str]) -> Cascade:
    """Read what `Cascade.save` wrote.

    Raises
    ------
    ModelError
        Not such a directory, damaged, or of another version.
    """
    place = Path(path)
    try:
        text = (place / DOCUMENT).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{place}: no cascade ({error}); it is the directory that `--write` made") from error
    with understood(ModelError, place, "write it again"):
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ModelError(f"{place}: a cascade of another version; write it again")
        first: Any
        if "coef" in document:
            coef = np.asarray(document["coef"], np.float64)
            first = CompiledLinear(coef, np.array([float(document["intercept"])]), "logistic")
        else:
            first = _forest(place / FIRST)
        return Cascade(first, _forest(place / SECOND), float(document["margin"]))


def _forest(path: Path) -> CompiledForest:
    found = load_compiled(path)
    if isinstance(found, CompiledForest):
        return found
    if isinstance(found.scores, CompiledForest):
        return found.scores
    raise UsageError(f"{path}: not a forest")
