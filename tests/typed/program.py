"""A program of a user who checks his types: every name it uses has one."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import data_gen
import scalable
from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.evaluate import evaluate_predictions
from scalable.inference import CompiledClassifier, compile_model, load_compiled, load_model
from scalable.linear import LogisticRegression, Ridge


def program(folder: str) -> None:
    """Generate, train, score and compile."""
    manifest = data_gen.generate("fraud", rows=1000, out=folder)
    assert_type(manifest.rows, int)
    source = ParquetSource(folder, target="is_fraud")
    assert_type(source.n_rows, int)
    assert_type(source.feature_names, list[str])
    assert_type(scalable.__version__, str)
    line = LogisticRegression(C=0.5).fit(source)
    assert_type(line, LogisticRegression)
    assert_type(line.predict_proba(source), NDArray[np.float64])
    assert_type(Ridge().fit(source), Ridge)
    forest = LGBMClassifier(n_estimators=3).fit(source)
    assert_type(forest, LGBMClassifier)
    line.save("line.model")
    assert_type(load_model("line.model").needed, list[str])
    compiled = compile_model(forest)
    assert isinstance(compiled, CompiledClassifier)
    compiled.save("forest.compiled")
    rows = np.zeros((3, 5))
    assert_type(load_compiled("forest.compiled").predict(rows), NDArray[Any])
    report = evaluate_predictions(np.array([0, 1]), np.array([0.2, 0.7]))
    assert_type(report, dict[str, Any])
