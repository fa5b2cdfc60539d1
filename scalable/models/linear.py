"""Saved linear models: coefficients over encoded rows and the link from scores to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special

from scalable.data.block import Block, RawBlock
from scalable.errors import DataError, ModelError
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.state import State
from scalable.features.target import Labels, Where, nth_row
from scalable.kernels.linear import sgd as descent
from scalable.models.store import StoredModel

KIND = "linear"
LINKS = ("identity", "log", "logistic", "softmax", "margin")


@dataclass(frozen=True)
class LinearModel:
    """A trained linear model of any loss.

    Attributes
    ----------
    encoder : LinearEncoder
        From raw columns to dense columns and feature indices; knows the classes.
    coef : float64 array of shape (n_outputs, n_columns + 1 + n_indices)
        Coefficients of the dense columns, intercept, weights of the feature indices.
    link : str
        ``"identity"``, ``"log"`` (mean is exp), ``"logistic"``, ``"softmax"``, or ``"margin"`` (scores
        have no probabilities; predictions are class indices).
    """

    encoder: LinearEncoder
    coef: NDArray[np.float64]
    link: str

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels, in order; None for regression."""
        return None if self.encoder.labels is None else self.encoder.labels.classes

    @property
    def feature_names(self) -> list[str]:
        """Names of the raw features."""
        return [column.name for column in self.encoder.columns]

    @property
    def needed(self) -> list[str]:
        """Names of the raw columns that prediction reads."""
        return self.encoder.needed

    def scores(self, block: Block) -> NDArray[np.float64]:
        """Return linear predictors of encoded rows, shape (n_outputs, n_rows)."""
        out = np.empty((len(self.coef), block.n_rows), block.columns.dtype)
        descent.predict(block.columns, block.ids, self.coef.astype(block.columns.dtype), out)
        return out.astype(np.float64)

    def apply_link(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions of scores of shape (n_outputs, n_rows): see `predict_block`."""
        if self.link == "logistic":
            return np.asarray(special.expit(scores[0]))
        if self.link == "softmax":
            return np.asarray(special.softmax(scores, axis=0).T)
        if self.link == "log":
            return np.asarray(np.exp(np.clip(scores[0], -700.0, 700.0)))
        if self.link == "margin":
            index = scores.argmax(axis=0) if len(scores) > 1 else scores[0] > 0.0
            return np.asarray(index, np.float64)
        return np.asarray(scores[0] if len(scores) == 1 else scores.T)

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class, of every class (n_rows, k), or means."""
        return self.apply_link(self.scores(self.encode(raw)))

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks rows: predictions, or, of a model without probabilities, its squashed scores.

        Those grow with the decision value and are 1/2 at the boundary, but are not calibrated.
        """
        if self.link != "margin":
            return self.predict_block(raw)
        scores = self.scores(self.encode(raw))
        return np.asarray(special.expit(scores[0]) if len(scores) == 1 else special.softmax(scores, axis=0).T)

    def encode(self, raw: RawBlock) -> Block:
        """Encode features only; raises DataError when a column is missing."""
        missing = [name for name in self.encoder.needed if name not in raw.arrays]
        if missing:
            raise DataError(
                f"column {missing[0]!r}, which the model was trained on, is missing from the data"
            )
        return self.encoder.features_only.encode(raw)

    def encode_label(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""
        labels = self.encoder.labels or Labels("target")
        return labels.encode(array, where)

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, str]]:
        """Return metadata, arrays and texts to save."""
        n, state = self.encoder.n_columns, self.encoder.state()
        meta = {
            "encoder": state.document,
            "link": self.link,
            "classes": None if self.classes is None else list(self.classes),
        }
        arrays = {"coef": self.coef[:, :n], "intercept": self.coef[:, n], "sparse": self.coef[:, n + 1 :]}
        return meta, {**arrays, **state.parts}, {}

    @classmethod
    def from_stored(cls, stored: StoredModel) -> LinearModel:
        """Rebuild a model from what `read_model` returned.

        Raises
        ------
        ModelError
            When it is of another kind or its parts do not fit together.
        """
        if stored.kind != KIND:
            raise ModelError(f"this is a saved {stored.kind!r} model, not a linear one")
        meta: Mapping[str, Any] = stored.meta
        try:
            encoder = LinearEncoder.from_state(State.of(meta["encoder"], stored.arrays))
            a = stored.arrays
            coef = np.hstack([a["coef"], a["intercept"][:, None], a["sparse"]]).astype(np.float64)
            link = meta["link"]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"the linear model is damaged ({error!r}); train or copy it again") from error
        if link not in LINKS or coef.shape[1] != encoder.n_columns + 1 + encoder.n_indices:
            raise ModelError("the linear model's coefficients do not fit its encoder; train or copy it again")
        return cls(encoder, coef, link)
