"""Calibrated models: a saved model and the curve that its probabilities go through, saved as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import ModelError
from scalable.evaluate.post_hoc.recalibration import Calibrator
from scalable.models.explanation import Explanation
from scalable.models.kinds import predictor_of
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel, read_model, save_model

KIND = "calibrated"


class CalibratedModel(Predictor):
    """A classifier whose probabilities are corrected.

    Parameters
    ----------
    model : Predictor
        Of two classes or more.
    calibrator : Calibrator
        Learned from that model's probabilities.

    Raises
    ------
    UsageError
        The curve is of two classes, and the model of more.
    """

    kind = KIND

    def __init__(self, model: Predictor, calibrator: Calibrator) -> None:
        if model.task not in ("binary", "multiclass"):
            raise ModelError(f"probabilities are calibrated, and the model's task is {model.task}")
        self.model, self.calibrator, self.encoder = model, calibrator, model.encoder
        k = model.n_outputs
        calibrator.apply(np.full((1, k) if k > 1 else 1, 1.0 / max(k, 2)))

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return self.model.n_outputs

    @property
    def needed(self) -> list[str]:
        """Names of the raw columns that prediction reads."""
        return self.model.needed

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each raw column that is read."""
        return self.model.column_types

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return corrected probabilities, see `Predictor`."""
        return self.calibrator.apply(self.model.predict_block(raw))

    def check(self, raw: RawBlock) -> None:
        """Raise a DataError when a column is missing."""
        self.model.check(raw)

    def explain_block(self, raw: RawBlock) -> Explanation:
        """Explain the scores before the correction, which keeps their order."""
        return self.model.explain_block(raw)

    def _compile_answer(self) -> Callable[..., Any]:
        inner, apply, several = self.model.answer, self.calibrator.apply, self.n_outputs > 1

        def answer(row: Mapping[str, Any], missing_keys: str = "refuse") -> Any:
            found = apply(np.asarray([inner(row, missing_keys)]))[0]
            return found if several else float(found)

        return answer


def save_calibrated(
    path: str | os.PathLike[str], model: str | os.PathLike[str], calibrator: Calibrator
) -> Path:
    """Write a saved model with its curve as a model of its own.

    Raises
    ------
    ModelError
        `model` is no directory that training wrote, or `path` cannot be written.
    """
    inner = read_model(model)
    _joined(inner, calibrator)  # refused here rather than when it is read
    meta = {"curve": asdict(calibrator), "inner": {"kind": inner.kind, "meta": inner.meta}}
    return save_model(path, KIND, meta, inner.arrays, inner.texts)


def refuse_others(model: str | os.PathLike[str]) -> None:
    """Raise a ModelError where `model` is another library's file, which no curve can be written into."""
    if os.path.isfile(model):
        raise ModelError(
            f"{model}: a curve is written into the directory that `train --model` wrote, not beside another library's "
            "file; write the curve alone with --out, without --model"
        )


def read_calibrated(stored: StoredModel) -> CalibratedModel:
    """Return the predictor of what `save_calibrated` wrote."""
    inner = stored.meta["inner"]
    within = StoredModel(inner["kind"], inner["meta"], stored.arrays, stored.texts)
    return _joined(within, Calibrator.of_document(stored.meta["curve"]))


def _joined(inner: StoredModel, calibrator: Calibrator) -> CalibratedModel:
    if inner.kind == KIND:
        raise ModelError("a calibrated model of a calibrated model; calibrate the one it was made of")
    return CalibratedModel(predictor_of(inner), calibrator)
