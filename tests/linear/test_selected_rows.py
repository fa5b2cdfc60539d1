"""Rows picked by filters or a split: every learner is fitted to them alone, however few they are among the others."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.data.table import TableSource
from scalable.decomposition import PCA
from scalable.errors import DataError, DataWarning, StatisticsError
from scalable.execution.sampling import sample_shards
from scalable.execution.threads import Threads
from scalable.features.linear_column import EncoderOptions
from scalable.linear import (
    ElasticNetCV,
    Lasso,
    LinearRegression,
    LinearSVC,
    LogisticRegression,
    Ridge,
    SGDClassifier,
)
from scalable.linear.prepare import prepare

NAMES = ["x0", "x1", "x2"]
SELECTED = [("g", "==", 7)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Groups one behind the other, without statistics, of which one is of another kind than the rest."""
    place, n = tmp_path_factory.mktemp("groups"), 40_000
    rng = np.random.default_rng(0)
    g, x = np.sort(rng.integers(0, 10, n)), rng.normal(size=(3, n)).astype(np.float32)
    z = np.where(g == 7, x[0] - x[1], x[1] - x[0])
    noise = rng.normal(size=n)
    table = pa.table(
        {**dict(zip(NAMES, x, strict=True)), "g": g, "y": (z + noise > 0).astype(np.int8), "r": z + noise}
    )
    pq.write_table(table, place / "all.parquet", row_group_size=1_000, write_statistics=False)
    pq.write_table(table.filter(pa.array(g == 7)), place / "some.parquet", row_group_size=1_000)
    return place


@pytest.fixture(params=["held", "streamed", "sampled"])
def road(request, monkeypatch):
    if request.param != "held":
        monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    if request.param == "sampled":
        monkeypatch.setattr("scalable.linear.prepare.PROFILE_ROWS", 4_000)
        for name in ("WARM_ROWS", "SAMPLE_ROWS"):
            monkeypatch.setattr(f"scalable.linear.gradient.{name}", 1_000)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (LogisticRegression(tol=1e-9), "y"), (LinearSVC(tol=1e-9), "y"), (Ridge(), "r"), (LinearRegression(), "r"),
        (Lasso(alpha=0.01), "r"), (ElasticNetCV(), "r"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_the_fit_is_that_of_a_file_of_these_rows(files, road, model, target):
    chosen = ParquetSource(files / "all.parquet", target, NAMES, filters=SELECTED)
    alone = ParquetSource(files / "some.parquet", target, NAMES)
    expected = np.ravel(model.fit(alone).coef_)
    assert expected[0] > 0.1
    np.testing.assert_allclose(np.ravel(model.fit(chosen).coef_), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
def test_descent_learns_from_these_rows(files, road):
    chosen = ParquetSource(files / "all.parquet", "y", NAMES, filters=SELECTED)
    model = LogisticRegression(solver="sgd", max_iter=4, n_workers=1).fit(chosen)
    np.testing.assert_allclose(model.coef_[0, :2], [1.6, -1.6], atol=0.25)


def test_held_out_shards_without_a_selected_row_are_refused(files, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    chosen = ParquetSource(files / "all.parquet", "y", NAMES, filters=SELECTED)
    model = SGDClassifier(loss="log_loss", max_iter=4, early_stopping=True, n_workers=1)
    with pytest.raises(
        DataError, match=r"held out for early stopping have no selected row.*early_stopping=False"
    ):
        model.fit(chosen)


@pytest.mark.parametrize("how", [{"filters": SELECTED}, {"weight": "w"}])
def test_a_look_back_that_meets_no_row_of_any_weight_takes_all(files, tmp_path, monkeypatch, how):
    """The one pass over many rows is judged by some from all over, which may all be left out or weigh nothing."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    monkeypatch.setattr("scalable.linear.solvers.rounds.ONE_PASS_ROWS", 1_000)
    monkeypatch.setattr("scalable.linear.solvers.rounds.LOOKED_AT", 1_000)
    table = pq.read_table(files / "all.parquet")
    table = table.append_column("w", pc.cast(pc.equal(table["g"], 7), pa.float64()))
    pq.write_table(table, tmp_path / "a", row_group_size=1_000, write_statistics=False)
    model = LogisticRegression(solver="sgd", n_workers=1).fit(
        ParquetSource(tmp_path / "a", "y", NAMES, **how)
    )
    assert model.coef_[0, 0] > 1.0
    assert model.coef_[0, 1] < -1.0  # of the other rows, the signs are the opposite


def test_a_selection_of_nothing_is_named(files):
    source = ParquetSource(files / "all.parquet", "y", NAMES, filters=[("g", "==", 77)])
    with pytest.raises(DataError, match="no row is left: none satisfies the filters"):
        LogisticRegression().fit(source)


def test_samples_of_selected_rows_are_all_of_them(files):
    source = ParquetSource(files / "all.parquet", "y", NAMES)
    assert sum(shard.n_rows for shard in sample_shards(source, 8_192)) <= 8_192
    for some in (
        ParquetSource(files / "all.parquet", "y", NAMES, filters=SELECTED), source.split_rows(1, 1)[0],
        TableSource(pq.read_table(files / "all.parquet")).split_rows(1, 9, by="g")[0],
    ):  # fmt: skip
        assert sample_shards(some, 8_192) == list(some.shards)


@pytest.mark.parametrize("model", [LogisticRegression(), LGBMClassifier(n_estimators=3, verbosity=-1)])
@pytest.mark.parametrize("classes", [2, 3])
def test_predictions_of_selected_rows_are_those_of_these_rows_alone(files, model, classes):
    table = pq.read_table(files / "all.parquet")
    X = table.select(NAMES)
    model.fit(X, np.digitize(table["r"].to_numpy(), [0.0, 1.0][: classes - 1]))
    part = ParquetSource(files / "all.parquet", None, NAMES).split_rows(1, 3)[0]
    rows = pa.Table.from_batches(
        [pa.record_batch(b.arrays) for s in part.shards for b in part.raw_blocks(s, NAMES)]
    )
    assert 0 < len(rows) < len(table)
    np.testing.assert_array_equal(model.predict_proba(part), model.predict_proba(rows))
    np.testing.assert_array_equal(model.predict(part), model.predict(rows))
    nothing = ParquetSource(files / "all.parquet", None, NAMES, filters=[("g", "==", 77)])
    assert model.predict_proba(nothing).shape == (0, classes)
    assert model.predict(nothing).shape == (0,)


def test_few_selected_rows_are_held_in_memory(files, monkeypatch):
    table = pq.read_table(files / "some.parquet")
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", len(table) * (16 + 3 * 4))
    chosen = ParquetSource(files / "all.parquet", "y", NAMES, filters=SELECTED)
    options = EncoderOptions()
    assert prepare(chosen, Threads(1), options, classify=True, shuffle_seed=0).held
    assert not prepare(ParquetSource(files / "all.parquet", "y", NAMES), Threads(1), options, True, 0).held


@pytest.fixture
def lying(tmp_path):
    """A file sorted by `g`, and one whose footer says of its fifth row group that its `g` are those of the first."""
    n = 20_000
    rng = np.random.default_rng(1)
    g, x = np.arange(n) // 2_000, rng.normal(size=n).astype(np.float32)
    y = (np.where(g == 4, -x, x) + rng.normal(size=n) > 0).astype(np.int8)
    table = pa.table({"x": x, "g": g + 1_000_000_000_000, "y": y})
    for name in ("right", "wrong"):
        pq.write_table(table, tmp_path / name, row_group_size=2_000, use_dictionary=False)
    content = bytearray((tmp_path / "wrong").read_bytes())
    footer = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    of = (1_000_000_000_004).to_bytes(8, "little")
    assert content.count(of, footer) == 4  # least and greatest, twice each
    content[footer:] = content[footer:].replace(of, (1_000_000_000_000).to_bytes(8, "little"))
    (tmp_path / "wrong").write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    "learner", [LogisticRegression(tol=1e-9), LinearRegression()], ids=["newton", "exact"]
)
@pytest.mark.parametrize(
    ("how", "value", "part"),
    [(">=", 1_000_000_000_004, 1), ("<", 1_000_000_000_002, 0)],
    ids=["left", "read"],
)
def test_statistics_that_lie_are_found_and_training_begins_anew(lying, learner, how, value, part):
    """The group that lies was left out, and is looked into (`>=`), or is read, and should not be (`<`)."""

    def source(name, **options):
        where = lying / name
        return ParquetSource(where, target="y", features=["x"], filters=[("g", how, value)], **options)

    expected = clone(learner).fit(source("right")).coef_
    with pytest.warns(DataWarning, match=r"wrong: row group 4, column 'g' holds 1000000000004.* begins anew"):
        found = clone(learner).fit(source("wrong")).coef_
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(
        clone(learner).fit(source("wrong", statistics=False)).coef_, expected, rtol=1e-4
    )
    with pytest.raises(StatisticsError, match="statistics=False"):  # the shards of a part are those of a lie
        clone(learner).fit(source("wrong").split(every=2)[part])


def test_statistics_that_leave_nothing_are_looked_into(lying):
    """Of a file of which nothing is left, too, and when it is another file that is read: one of each writer's is."""
    pq.write_table(pq.read_table(lying / "right").slice(8_000, 2_000), lying / "four", use_dictionary=False)
    content = (lying / "four").read_bytes()
    footer = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    wrong = content[footer:].replace((10**12 + 4).to_bytes(8, "little"), (10**12).to_bytes(8, "little"))
    (lying / "four").write_bytes(content[:footer] + wrong)

    def source(*names, **options):
        files = [lying / name for name in names]
        return ParquetSource(files, "y", ["x"], filters=[("g", "==", 10**12 + 4)], **options)

    expected = LogisticRegression(tol=1e-9).fit(source("right")).coef_
    with pytest.warns(
        DataWarning, match=r"four: row group 0, column 'g' holds 1000000000004.* all row groups"
    ):
        alone = source("four")
    np.testing.assert_allclose(LogisticRegression(tol=1e-9).fit(alone).coef_, expected, rtol=1e-4)
    twice = LogisticRegression(tol=1e-9).fit(source("right", "four", statistics=False)).coef_
    model = LogisticRegression(tol=1e-9)
    with pytest.warns(DataWarning, match=r"four: row group 0, column 'g' holds 1000000000004.* begins anew"):
        found = model.fit(source("right", "four")).coef_
    np.testing.assert_allclose(found, twice, rtol=1e-4)
    with pytest.raises(StatisticsError, match="four: row group 0"):
        model.predict(source("right", "four"))


def test_of_many_files_of_which_nothing_is_left_few_are_looked_into(tmp_path, monkeypatch):
    """One of each writer's, and a spread."""
    for k in range(100):
        table = pa.table({"g": np.arange(3), "x": np.ones(3), "y": np.arange(3.0)})
        pq.write_table(table, tmp_path / f"{k:03}.parquet", use_dictionary=False)
    content = (tmp_path / "098.parquet").read_bytes().replace(b"parquet-cpp", b"another-cpp")
    (tmp_path / "098.parquet").write_bytes(content)
    looked, usual = [], ParquetSource._look_into

    def counted(self, doubted, footer, rows):
        looked.append(footer.path)
        usual(self, doubted, footer, rows)

    monkeypatch.setattr(ParquetSource, "_look_into", counted)
    with pytest.raises(DataError, match="statistics=False"):
        ParquetSource(tmp_path, "y", ["x"], filters=[("g", "==", 7)])
    assert 20 < len(looked) <= 33
    assert str(tmp_path / "098.parquet") in looked


@pytest.mark.parametrize("claimed", [0, 5])
def test_counts_of_nulls_are_believed_by_nobody(tmp_path, claimed):
    n, nulls = 10_000, 1_077
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, n))
    held = pa.array(x, mask=np.arange(n) < nulls)
    pq.write_table(pa.table({"x": held, "y": (x > noise).astype(np.int64)}), tmp_path / "right")
    content = (tmp_path / "right").read_bytes()
    footer = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    told = bytes([2 * nulls & 127 | 128, 2 * nulls >> 7])  # Thrift's zigzag, seven bits a byte
    assert told in content[footer:]
    wrong = content[footer:].replace(told, bytes([2 * claimed | 128, 0]))
    (tmp_path / "wrong").write_bytes(content[:footer] + wrong)
    read = pq.ParquetFile(tmp_path / "wrong").metadata.row_group(0).column(0).statistics
    assert read.null_count == claimed
    for filters in (None, [("x", "==", x[5_000])], [("x", "!=", 0.0)], [("x", "<", 0.0)]):
        right, other = (
            [block.arrays for shard in source.shards for block in source.raw_blocks(shard)]
            for source in (
                ParquetSource(tmp_path / name, "y", filters=filters) for name in ("right", "wrong")
            )
        )
        assert right == other
    fitted = [
        LogisticRegression().fit(ParquetSource(tmp_path / name, "y")).coef_ for name in ("right", "wrong")
    ]
    np.testing.assert_array_equal(*fitted)


def test_without_a_target_too_training_begins_anew(lying):
    def source(name):
        where = lying / name
        return ParquetSource(where, features=["x"], filters=[("g", ">=", 1_000_000_000_004)])

    expected = PCA().fit(source("right"))
    with pytest.warns(DataWarning, match="begins anew"):
        found = PCA().fit(source("wrong"))
    np.testing.assert_allclose(found.mean_, expected.mean_, rtol=1e-12)
