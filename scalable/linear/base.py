"""What all linear learners share: how columns are treated, scores of rows, and coefficients in raw units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import UsageError
from scalable.execution.reader import BlockReader
from scalable.features.linear_column import EncoderOptions
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.target import class_array
from scalable.models.estimator import Estimator, Parts
from scalable.models.linear import KIND, LinearModel
from scalable.models.parameters import log_of, names_of
from scalable.models.store import StoredModel


class LinearEstimator(Estimator):
    """Base of the linear learners; see `LogisticRegression` for the shared parameters."""

    one_hot: int = 64
    n_bins: int = 2**18
    categorical: Any = None
    log: Any = "auto"
    missing: str = "indicator"

    _kind, _result = KIND, "model_"
    _kept = ("n_iter_", "solver_", "converged_")
    fit_intercept: bool
    model_: LinearModel

    @property
    def _encoder(self) -> LinearEncoder:
        return self.model_.encoder

    def _options(self, plain: bool) -> EncoderOptions:
        """Return how raw columns are treated; plain arrays are taken as they are."""
        return EncoderOptions(
            one_hot=self.one_hot,
            n_buckets=_power_of_two(self.n_bins),
            categorical=names_of("categorical", self.categorical),
            log=log_of(self.log, plain),
            missing=self.missing,
            identifiers=not plain,
            keep_constant=plain,
            center=bool(self.fit_intercept),
            dtype="float64" if plain else "float32",
        )

    def _blocks(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the scores of consecutive rows, each of shape (n_outputs, n_rows)."""
        source = self._rows(X)
        reader = BlockReader(source, self.model_.encoder.features_only)
        for shard in source.shards:
            for block in reader.blocks(shard):
                yield self.model_.scores(block)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        parts = list(self._blocks(X))
        none = np.empty((len(self.model_.coef), 0))  # a selection may leave no row
        return np.concatenate([none, *parts], axis=1)

    def _publish(self, model: LinearModel) -> None:
        """Set the fitted attributes that users read, in raw units."""
        self.model_ = model
        encoder = model.encoder
        n = encoder.n_columns
        dense = model.coef[:, :n] / encoder.column_scales()
        # A dense column is 0 at its offset; categories carry no offset.
        intercept = model.coef[:, n] - dense @ encoder.column_offsets()
        if encoder.one_to_one:
            coef = np.zeros((len(dense), len(encoder.columns)))
            coef[:, [column.action != "drop" for column in encoder.columns]] = dense
            self.coef_names_ = model.feature_names
        else:
            coef = np.hstack([dense, model.coef[:, n + 1 : n + 1 + encoder.n_known]])
            self.coef_names_ = encoder.term_names()
        if self._classify:
            self.classes_ = class_array(model.classes or ())
        self.coef_: Any = coef if self._classify else coef[0]
        self.intercept_: Any = intercept if self._classify else float(intercept[0])

    def _parts(self) -> Parts:
        return self.model_.parts()

    def _restore(self, stored: StoredModel) -> None:
        self._publish(LinearModel.from_stored(stored))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: missing values are learned from, not refused, by default."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        return tags


def _power_of_two(n_bins: Any) -> int:
    n = int(n_bins)
    if n < 2 or n & (n - 1):
        raise UsageError(f"n_bins must be a power of two, not {n_bins!r}; try {1 << max(1, n.bit_length())}")
    return n
