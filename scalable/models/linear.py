"""Saved linear models: coefficients over encoded rows and the link from scores to predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scalable.data.block import Block, RawBlock
from scalable.errors import ModelError
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.state import State
from scalable.features.target import check_outputs
from scalable.inference.request.answers import linear_answer
from scalable.inference.request.frame_answers import FrameAnswer
from scalable.inference.request.linear_frames import linear_frames
from scalable.kernels.linear import sgd as descent
from scalable.models.explanation import Explanation, explain_linear, output_names
from scalable.models.links import LINKS, apply_link
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel
from scalable.storage.documents import SHAPELESS

if TYPE_CHECKING:
    from scalable.inference.linear_row import CompiledLinear

KIND = "linear"


@dataclass(frozen=True, repr=False)
class LinearModel(Predictor):
    """A trained linear model of any loss.

    Attributes
    ----------
    encoder : LinearEncoder
        From raw columns to dense columns and feature indices; knows the classes.
    coef : float64 array of shape (n_outputs, n_columns + 1 + n_indices)
        Coefficients of the dense columns, intercept, weights of the feature indices.
    link : str
        See `scalable.models.links`.
    learned_from : dict of str to int or None
        ``rows`` that were learned from, and ``target_rows`` that told scales, classes and their shares beforehand; None
        where that is not known.
    """

    kind = KIND

    encoder: LinearEncoder
    coef: NDArray[np.float64]
    link: str
    learned_from: dict[str, int] | None = None

    @property
    def feature_names(self) -> list[str]:
        """Names of the raw features."""
        return [column.name for column in self.encoder.columns]

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return 1 if self.link == "margin" else len(self.coef)

    def scores(self, block: Block) -> NDArray[np.float64]:
        """Return linear predictors of encoded rows, shape (n_outputs, n_rows)."""
        return self._scores(block.columns, block.ids)

    def _scores(self, columns: NDArray[Any], ids: NDArray[np.int32]) -> NDArray[np.float64]:
        out = np.empty((len(self.coef), columns.shape[1]), columns.dtype)
        descent.predict(columns, ids, self.used_coef, out)
        return out.astype(np.float64)

    @cached_property
    def used_coef(self) -> NDArray[Any]:
        """The coefficients in the encoder's precision: 2^18 of them take longer to convert than a thousand rows."""
        return self.coef.astype(self.encoder.dtype)

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class, of every class (n_rows, k), or means."""
        return apply_link(self.link, self.scores(self.encode(raw)))

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
        self.check(raw)
        return self.encoder.features_only.encode(raw)

    def explain_block(self, raw: RawBlock) -> Explanation:
        """Return the contributions of raw columns, see `Predictor.explain`."""
        outputs = output_names(len(self.coef), self.classes)
        return explain_linear(self.encoder, self.coef, self.encode(raw), outputs)

    def _compile_answer(self) -> Callable[..., Any]:
        logistic = self.link == "logistic" and len(self.coef) == 1
        plain = logistic or (self.link == "identity" and len(self.coef) == 1)

        def finish(scores: NDArray[np.float64]) -> Any:
            found = apply_link(self.link, scores)
            return float(found[0]) if self.n_outputs == 1 else found[0]

        return linear_answer(self.encoder, self.coef, logistic, None if plain else finish)

    def _compile_frame_answer(self) -> FrameAnswer | None:
        return linear_frames(
            self.encoder, lambda columns, ids: apply_link(self.link, self._scores(columns, ids))
        )

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, str]]:
        """Return metadata, arrays and texts to save."""
        n, state = self.encoder.n_columns, self.encoder.state()
        meta = {
            "encoder": state.document,
            "link": self.link,
            "classes": None if self.classes is None else list(self.classes),
            "learned_from": self.learned_from,
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
            check_outputs(len(coef), encoder.labels)
            told = meta.get("learned_from")  # not in older models
            told = None if told is None else {str(name): int(rows) for name, rows in told.items()}
        except SHAPELESS as error:
            raise ModelError(f"the linear model is damaged ({error!r}); train or copy it again") from error
        if link not in LINKS or coef.shape[1] != encoder.n_columns + 1 + encoder.n_indices:
            raise ModelError("the linear model's coefficients do not fit its encoder; train or copy it again")
        return cls(encoder, coef, link, told)

    def plain(self) -> CompiledLinear:
        """Return the same model over a matrix of raw numbers.

        Raises
        ------
        ModelError
            When a column becomes more, or anything else, than one number times its coefficient; names it.
        """
        from scalable.inference.linear_row import CompiledLinear

        n, columns = self.encoder.n_columns, self.encoder.columns
        for column in columns:
            straight = column.action == "number" and column.simple and column.log_unit is None
            if column.action != "drop" and not straight:
                raise ModelError(
                    f"the model encodes its columns ({column.name!r} is not one plain number); use "
                    "scalable.inference.load_model"
                )
        if self.link not in ("identity", "logistic", "softmax"):
            raise ModelError(
                f"a linear model with the link {self.link} cannot be compiled; use scalable.inference.load_model"
            )
        coef = np.zeros((len(self.coef), len(columns)))
        dense = self.coef[:, :n] / self.encoder.column_scales()
        coef[:, [column.action != "drop" for column in columns]] = dense
        return CompiledLinear(coef, self.coef[:, n] - dense @ self.encoder.column_offsets(), self.link)


def read_linear(stored: StoredModel) -> LinearModel:
    """Return the predictor of a saved linear model."""
    return LinearModel.from_stored(stored)


def compile_linear(stored: StoredModel) -> CompiledLinear:
    """Return a saved linear model of plain numbers over their matrix."""
    return LinearModel.from_stored(stored).plain()
