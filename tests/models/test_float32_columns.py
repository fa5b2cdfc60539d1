"""Learners take float32 columns where they lie: each learns what it learns of the same numbers in double precision."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from scalable import ParquetSource
from scalable.bayes import BayesianLogisticRegression, BayesianRidge, CategoricalNB, GaussianNB
from scalable.causal import cuped, double_ml
from scalable.data.readers.tiles import TILES, TileReader
from scalable.data.table import TableSource
from scalable.decomposition import PCA, TruncatedSVD
from scalable.errors import UsageError
from scalable.features.number_encoder import NumberEncoder
from scalable.kernel_approximation import KernelClassifier, KernelFeatures, KernelRidge
from scalable.mixture import GaussianMixture, KMeans

FEATURES = ["x0", "x1", "x2"]


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 1_500)).astype(np.float32)
    columns = {f"x{j}": column for j, column in enumerate(x)}
    columns["coin"] = (rng.random(1_500) < 0.5).astype(np.float32)
    rest = {"y": (x[0] + rng.normal(size=1_500) > 0.0).astype(int), "r": x[0] + rng.normal(size=1_500)}
    rest["w"] = rng.random(1_500)
    wide = {name: column.astype(np.float64) for name, column in columns.items()}
    return pa.table(columns | rest), pa.table(wide | rest)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize(
    ("learner", "target"),
    [
        (GaussianNB(), "y"),
        (CategoricalNB(), "y"),
        (BayesianLogisticRegression(), "y"),
        (KernelClassifier("structured", 32, random_state=0), "y"),
        (BayesianRidge(), "r"),
        (KernelRidge("structured", 32, random_state=0), "r"),
        (PCA(), None),
        (TruncatedSVD(random_state=0), None),
        (GaussianMixture(2, random_state=0), None),
        (KMeans(3, random_state=0), None),
        (KernelFeatures("structured", 32, random_state=0), None),
    ],
    ids=lambda given: type(given).__name__ if hasattr(given, "fit") else str(given),
)
def test_learners(tables, learner, target, weight):
    found = []
    for table in tables:
        source = TableSource(table, target, FEATURES, weight)
        if weight and target is None:
            with pytest.raises(UsageError, match="counts every row once"):
                learner.fit(source)
            return
        learner.fit(source)
        found.append(learner.predict(source) if hasattr(learner, "predict") else learner.transform(source))
    assert len(found[0]) == 1_500
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("compression", ["none", "snappy"])
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("gap", [False, True])
def test_naive_bayes_reads_columns_in_their_file(compression, weight, gap, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(TILES, "patience", 0)
    table, path = tables[0], tmp_path / "rows.parquet"
    if gap:  # then the block is decoded
        table = table.set_column(0, "x0", pa.array([np.nan, *table["x0"].to_pylist()[1:]], pa.float32()))
    parquet.write_table(table, path, compression=compression, row_group_size=2_000, use_dictionary=False)
    kinds = []
    monkeypatch.setattr(NumberEncoder, "encode_stored", _watched(NumberEncoder.encode_stored, kinds))
    found = GaussianNB(n_workers=1).fit(ParquetSource(path, target="y", features=FEATURES, weight=weight))
    assert set(kinds) == {compression}
    wide = table.cast(
        pa.schema([(f.name, pa.float64() if f.type == pa.float32() else f.type) for f in table.schema])
    )
    expected = GaussianNB().fit(TableSource(wide, "y", FEATURES, weight))
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.var_, expected.var_, rtol=1e-12)


def _watched(method, kinds):
    def encode_stored(self, raw, stored, row):
        kinds.append("snappy" if isinstance(stored, TileReader) else "none")
        return method(self, raw, stored, row)

    return encode_stored


def test_effects(tables):
    for estimate in (
        lambda table: double_ml(TableSource(table, "r", [*FEATURES, "coin"]), "coin"),
        lambda table: cuped(TableSource(table, "r", [*FEATURES, "coin"]), "coin", ["x0"]),
    ):
        one, two = map(estimate, tables)
        assert one.coef == pytest.approx(two.coef, rel=1e-9, abs=1e-12)
        assert one.error == pytest.approx(two.error, rel=1e-9)
