"""What Python shows of the public names: examples that run, and representations of one line."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scalable
from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier
from scalable.evaluate import Calibrator, Conformal, find_leaks
from scalable.execution.threads import Threads
from scalable.feature_store import OnlineStore
from scalable.inference import compile_model, load_model
from scalable.linear import LogisticRegression
from scalable.monitor import Thresholds, learn_profile, monitor, save_profile
from scalable.registry import Registry

PACKAGES = (
    "", "linear", "bayes", "decomposition", "mixture", "neural", "kernel_approximation", "boosting", "causal",
    "evaluate", "inference", "monitor", "registry", "feature_store",
)  # fmt: skip
# What others make and hand out, or what needs a cluster or a running store.
HANDED_OUT = {
    "BinaryMetrics", "BinaryReport", "Calibrator", "CompiledClassifier", "CompiledForest", "CompiledLinear",
    "Conformal", "Definitions", "Effect", "Finding", "MulticlassMetrics", "MulticlassReport", "OnlineStore", "Profile",
    "RegressionMetrics", "RegressionReport", "Report", "Thresholds", "check_leaks", "from_dask", "learn_profile",
    "materialize", "monitor", "point_in_time_join", "purged_folds", "push", "read_definitions", "read_profile",
    "save_profile", "stratified_folds", "time_folds",
}  # fmt: skip


def public() -> dict[str, Any]:
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(f"scalable.{package}".rstrip("."))
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not (inspect.isclass(value) and issubclass(value, BaseException)):
                found[f"{package}.{name}".lstrip(".")] = value
    return found


@pytest.mark.parametrize("name", public())
def test_a_public_name_says_what_it_is_and_shows_how(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    value = public()[name]
    text = inspect.getdoc(value) or ""
    assert text.split("\n")[0].endswith("."), name
    if name.rpartition(".")[2] in HANDED_OUT:
        return
    assert ">>> " in text, f"{name} has no example"
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for each in finder.find(value, name, module=False, globs={}):
        if all(doctest.SKIP in example.options for example in each.examples):
            continue
        assert runner.run(each).failed == 0


def test_what_is_handed_out_shows_itself_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    n = 2000
    x = np.random.default_rng(0).normal(size=n)
    times = pa.array(np.arange(n) * 100_000, pa.timestamp("ms"))
    rows = pa.table({"x": x, "card": np.arange(n) % 7, "time": times, "y": x > 0.3})
    pq.write_table(rows, "rows.parquet", row_group_size=100)
    source = scalable.ParquetSource("rows.parquet", target="y", exclude=["time"])
    shown: list[Any] = [source, scalable.batches(source, size=64)]
    for learner in (LogisticRegression(), GaussianNB(), LGBMClassifier(n_estimators=2, n_workers=1)):
        learner.fit(source).save("m")
        model = load_model("m")
        profile = learn_profile(model, source, Threads(1))
        save_profile("m", profile)
        shown += [learner, model, profile, monitor("m", source)]
    shown += [compile_model("m"), Registry("registry"), Calibrator.fit(model, source, "isotonic")]
    shown += [Conformal.calibrate(model, source), find_leaks(source)[0], Thresholds()]
    space = {"num_leaves": [3, 7]}
    shown.append(scalable.tune("lightgbm", source, space, task="classification", n_trials=2, budget=4))
    definitions = (
        """[views.card]\nsource = "rows.parquet"\nentity = "card"\nevent_time = "time"\nvalues = ["x"]"""
    )
    Path("features.toml").write_text(definitions)
    with OnlineStore("features.toml", "store", create=True) as store:
        shown.append(store)
        for each in shown:
            text = repr(each)
            assert len(text) < 400, text
            assert "object at 0x" not in text
            assert "\n" not in text, text
    assert repr(load_model("m")) == "<forest model: binary from 2 columns>"
