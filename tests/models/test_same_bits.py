"""Every learner of the registry: one process, two threads and Dask learn the same bits, and scikit-learn checks it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.models.learners import LEARNERS

ROOT = Path(__file__).resolve().parents[1]
# LightGBM's sums depend on its threads and machines: tests/boosting holds its models to 1e-9 of each other.
OTHERS = {"LGBMClassifier", "LGBMRegressor", "LGBMRanker"}
LEARNED = [
    (learner.module, name, task)
    for learner in LEARNERS.values()
    for task, name in learner.classes.items()
    if name not in OTHERS
]
SMALL = {
    "ElasticNetCV": {"n_alphas": 5, "cv": 2},
    "GaussianMixture": {"n_components": 3, "max_iter": 3},
    "KernelClassifier": {"n_components": 20},
    "KernelFeatures": {"kind": "nystroem", "n_components": 20},
    "KernelRidge": {"n_components": 20},
    "KernelSVC": {"n_components": 20, "max_iter": 2},
    "KMeans": {"n_clusters": 3, "max_iter": 3},
    "MLPClassifier": {"hidden_layer_sizes": (6,), "n_replicas": 2, "max_iter": 1},
    "MLPRegressor": {"hidden_layer_sizes": (6,), "n_replicas": 2, "max_iter": 1},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    random = np.random.default_rng(0)
    x = random.normal(size=(12_000, 5)) @ random.normal(size=(5, 5)) + 3.0
    label = (x[:, 0] - x[:, 1] + random.normal(size=len(x)) > 0.0).astype(int)
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    table = {f"f{j}": column for j, column in enumerate(x.T)}
    pq.write_table(pa.table({**table, "label": label, "number": x[:, 2] ** 2}), path, row_group_size=1_700)
    return lambda task: ParquetSource(
        path,
        target={"classification": "label", "regression": "number"}.get(task),
        features=list(table),
    )


def numbers_of(model):
    document, arrays, texts = model._parts()
    return {name: np.asarray(array) for name, array in arrays.items()}, str(document), texts


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("module", "name", "task"), LEARNED)
def test_workers_do_not_change_a_bit(module, name, task, source, dask_client, two_blas_threads):
    kind = getattr(__import__(module, fromlist=[name]), name)
    options = {"random_state": 0} if "random_state" in kind().get_params() else {}
    options |= SMALL.get(name, {})
    one, *others = (
        numbers_of(kind(**options, **how).fit(source(task)))
        for how in ({"n_workers": 1}, {"n_workers": 2}, {"client": dask_client})
    )
    assert one[0]
    for other in others:
        assert other[0].keys() == one[0].keys()
        assert other[1:] == one[1:]
        for array, found in one[0].items():
            assert found.tobytes() == other[0][array].tobytes(), array


def checked():
    """Return the names of what tests give to scikit-learn's checks: called at module level beside them."""
    found = set()
    for path in ROOT.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if "@parametrize_with_checks" not in text and path.name != "test_scikit_learn_checks.py":
            continue
        for node in ast.parse(text).body:
            parts = getattr(node, "decorator_list", [node.value] if isinstance(node, ast.Assign) else [])
            calls = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Call))
            found |= {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls}
    return found


def test_scikit_learns_checks_run_on_every_learner():
    named = {name for learner in LEARNERS.values() for name in learner.classes.values()}
    assert named - checked() == {"LGBMRanker"}  # its rows belong to queries, of which the checks know nothing
