"""Descent over rows that come in an order, and replicas that each see little of a category."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.data.shard import Shard
from scalable.data.table import TableSource
from scalable.errors import DataError
from scalable.execution.reader import BlockReader
from scalable.features.linear_encoder import LinearEncoder
from scalable.kernels.linear import losses, optimizers
from scalable.linear import LogisticRegression
from scalable.linear.solvers.descent import Descent, DescentState, first_squares, merge_replicas
from scalable.linear.solvers.objective import HASHED_FACTOR, Objective

# Passes are few here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_a_column_that_follows_the_rows_does_not_mislead_one_pass(monkeypatch):
    """The base rate swings with the rows; a time could explain every swing, but only locally."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(5)
    n = 200_000
    time = np.arange(n)
    X = rng.normal(size=(3, n)).astype(np.float32)
    z = X[0] - 0.5 * X[1] + 0.5 * np.sin(time / 5000.0) - 3.0
    table = pa.table(
        {"time": time, "a": X[0], "b": X[1], "c": X[2], "y": rng.random(n) < 1 / (1 + np.exp(-z))}
    )
    source = TableSource(table, target="y")
    y = table["y"].to_numpy().astype(float)

    def loss(**options):
        p = LogisticRegression(**options).fit(source).predict_proba(source)[:, 1]
        return -np.mean(np.log(np.where(y == 1.0, p, 1.0 - p)))

    best = loss(solver="newton")
    assert loss(solver="sgd", max_iter=1, n_replicas=1) < 1.003 * best
    monkeypatch.setattr("scalable.linear.solvers.objective.ORDERED", 0.0)  # nothing held back
    assert loss(solver="sgd", max_iter=1, n_replicas=1) > 1.01 * best


@pytest.fixture
def descent() -> Descent:
    factors = np.array([1.0, 0.0, HASHED_FACTOR, HASHED_FACTOR])
    objective = Objective(
        losses.LOSSES["log_loss"].code,
        1.0,
        1,
        0.0,
        0.0,
        factors,
        rows=10**6,
        frequencies=np.array([1.0, 1.0, 0.0, 0.0]),
    )
    return Descent(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(1.0), 256)


def test_the_factor_that_hashed_categories_share_is_kept_once(descent):
    assert descent.objective.leading_factors.tolist() == [1.0, 0.0, HASHED_FACTOR]
    for factors in ([1.0, 1.0, 0.0], [0.0, 0.0], [1.0, 0.0, 1.0, 2.0]):
        objective = replace(descent.objective, factors=np.array(factors))
        assert objective.leading_factors.tolist() == factors


def replica(descent: Descent, place: int, move: float, growth: float) -> DescentState:
    state = descent.init()
    state.table[..., optimizers.S0] = first_squares(descent)
    state.table[0, place, [optimizers.W, optimizers.AVERAGE]] += move
    state.table[0, place, optimizers.S0] += growth
    return state


def start(descent: Descent) -> DescentState:
    state = descent.init()
    state.table[..., optimizers.S0] = first_squares(descent)
    return state


def test_moves_of_rare_categories_add_up(descent):
    prior = first_squares(descent)[2]
    replicas = [
        replica(descent, 2, 0.01, 1e-4 * prior),
        replica(descent, 2, 0.03, 1e-4 * prior),
        replica(descent, 3, 0.5, prior),
    ]
    merged = merge_replicas(descent, start(descent), replicas).table[0]
    assert merged[2, optimizers.W] == pytest.approx(0.04, rel=1e-3)
    assert merged[3, optimizers.W] == pytest.approx(0.5, rel=1e-3)  # nobody else saw it


def test_models_merge_into_the_first_of_them(descent):
    """All are in memory at that moment: one more was the most that a fit ever held, and longer fits met it oftener."""
    before = start(descent)
    replicas = [replica(descent, 2, 0.01, 1.0), replica(descent, 2, 0.03, 1.0)]
    memory, unchanged = replicas[0].table, before.table.copy()
    assert merge_replicas(descent, before, replicas).table is memory
    assert before.table.tobytes() == unchanged.tobytes()


def test_moves_of_well_known_coefficients_are_averaged(descent):
    prior = first_squares(descent)[0]
    replicas = [replica(descent, 0, 0.2, 3e5 * prior), replica(descent, 0, 0.6, 1e5 * prior)]
    merged = merge_replicas(descent, start(descent), replicas).table[0]
    assert merged[0, optimizers.W] == pytest.approx(0.3, rel=1e-3)


@pytest.mark.parametrize("at", [None, 0, 700, 2999])
def test_deferred_blocks_teach_the_same_bits(monkeypatch, at):
    """Standardised batch by batch or at once; from a missing value on, the encoder's way is taken."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(8)
    X = rng.normal(3.0, 2.0, size=(5, 3000)).astype(np.float32)
    X[3] = np.exp(2.0 * X[3])  # of a heavy tail: learned from by its logarithm
    names = [f"x{j}" for j in range(5)]
    y = (X[0] > X[1]).astype(np.int8)
    model = LogisticRegression(max_iter=1).fit(
        TableSource(pa.table(dict(zip([*names, "y"], [*X, y], strict=True))), "y")
    )
    encoder = model.model_.encoder
    assert encoder.columns[3].log_unit is not None
    if at is not None:
        X[2, at] = np.nan
    raw = next(
        TableSource(pa.table(dict(zip([*names, "y"], [*X, y], strict=True))), "y").raw_blocks(
            Shard(0, 0, 0, 3000, 0)
        )
    )
    objective = Objective(losses.LOSSES["log_loss"].code, 1.0, 1, 0.0, 1e-5, np.array([1.0] * 5 + [0.0]))
    descent = Descent(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(0.5), 256)
    block = encoder.encode(raw)
    assert isinstance(block, LazyBlock)
    plain = Block(block.columns, block.ids, block.label, block.weight, 0)
    tables = []
    for given in (encoder.encode(raw), plain):
        state = descent.step(descent.step(descent.init(), given), given)
        tables.append(state.table)
        assert state.weight == 6000.0
    np.testing.assert_array_equal(*tables)
    assert np.isfinite(tables[0]).all()


def test_infinite_values_are_refused_in_deferred_blocks():
    raw_table = pa.table({"a": np.array([1.0, 2.0, np.inf, 4.0] * 9, np.float32), "y": [0, 1] * 18})
    clean = pa.table({"a": np.arange(36, dtype=np.float32), "y": [0, 1] * 18})
    encoder = LogisticRegression(max_iter=1).fit(TableSource(clean, "y")).model_.encoder
    raw = next(TableSource(raw_table, "y").raw_blocks(Shard(0, 0, 0, 36, 0)))
    objective = Objective(losses.LOSSES["log_loss"].code, 1.0, 1, 0.0, 0.0, np.array([1.0, 0.0]))
    descent = Descent(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(0.5), 16)
    with pytest.raises(DataError, match=r"row 2.*: column 'a' is inf"):
        descent.step(descent.init(), encoder.encode(raw))


def test_features_that_stay_in_their_file_teach_the_same_bits(tmp_path, monkeypatch):
    """Plain pages are read by the kernel itself, compressed ones by a reader of blocks."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(9)
    columns = {f"x{j}": rng.normal(size=60_000).astype(np.float32) for j in range(5)}
    columns["x3"] = np.exp(2.0 * columns["x3"])
    y = (columns["x0"] > columns["x1"]).astype(np.int8)
    table = pa.table({**columns, "y": y})
    kinds = []
    monkeypatch.setattr(
        LinearEncoder, "encode_stored", lambda *a, f=LinearEncoder.encode_stored: kinds.append(1) or f(*a)
    )
    models = []
    for compression in ("none", "lz4"):
        path = tmp_path / f"{compression}.parquet"
        pq.write_table(table, path, compression=compression, use_dictionary=False, row_group_size=25_000)
        learner = LogisticRegression(solver="sgd", max_iter=2, n_replicas=2)
        models.append(learner.fit(ParquetSource(path, target="y")).model_.coef)
    assert kinds  # the plain file was read so
    np.testing.assert_array_equal(*models)


@pytest.mark.parametrize("missing", [None, 150_000])
def test_long_blocks_of_stored_features_teach_the_bits_of_short_ones(tmp_path, monkeypatch, missing):
    """Batches that do not divide a block end with it, also where two are read as one."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(9)
    columns = {f"x{j}": rng.normal(size=200_000).astype(np.float32) for j in range(2)}
    y = (columns["x0"] > columns["x1"]).astype(np.int8)
    clean = TableSource(pa.table({**columns, "y": y}), "y")
    encoder = LogisticRegression(max_iter=1).fit(clean).model_.encoder
    if missing is not None:
        columns["x1"][missing] = np.nan
    pq.write_table(pa.table({**columns, "y": y}), tmp_path / "a", compression="none", use_dictionary=False)
    source = ParquetSource(tmp_path / "a", target="y").with_shards([Shard(0, 0, 0, 200_000, 0)])
    objective = Objective(losses.LOSSES["log_loss"].code, 1.0, 1, 0.0, 0.0, np.array([1.0, 1.0, 0.0]))
    descent = Descent(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(0.5), 100)
    tables = []
    for stored_rows in (2**17, 2**18):
        state = descent.init()
        blocks = list(BlockReader(source, encoder, stored_rows=stored_rows).blocks(source.shards[0]))
        assert len(blocks) == -(-200_000 // stored_rows)
        assert all(isinstance(block, LazyBlock) for block in blocks)
        for block in blocks:
            state = descent.step(state, block)
        tables.append(state.table)
    np.testing.assert_array_equal(*tables)


def test_a_file_that_ends_early_under_the_kernel_is_named(tmp_path):
    columns = {f"x{j}": np.arange(4000, dtype=np.float32) for j in range(2)}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({**columns, "y": [0, 1] * 2000}), path, compression="none", use_dictionary=False)
    source = ParquetSource(path, target="y")
    encoder = LogisticRegression(max_iter=1).fit(source).model_.encoder
    (block,) = BlockReader(source, encoder).blocks(source.shards[0])
    objective = Objective(losses.LOSSES["log_loss"].code, 1.0, 1, 0.0, 0.0, np.array([1.0, 1.0, 0.0]))
    descent = Descent(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(0.5), 256)
    with open(path, "r+b") as file:
        file.truncate(20_000)
    with pytest.raises(DataError, match=r"a\.parquet: the page at .* cannot be read"):
        descent.step(descent.init(), block)


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_merge_has_the_same_bits_in_any_pieces(monkeypatch, optimizer, outputs):
    n, rng, merged = 3_000, np.random.default_rng(4), []
    code, rate = optimizers.OPTIMIZERS[optimizer]
    objective = Objective(
        losses.LOSSES["log_loss"].code,
        1.0,
        outputs,
        1e-4,
        1e-4,
        rng.random(n),
        rows=10**6,
        frequencies=rng.random(n),
    )
    descent = Descent(objective, code, optimizers.hyper_parameters(rate, l1=1e-4, l2=1e-4), 256)
    tables = rng.random((4, outputs, n, optimizers.FIELDS)).astype(np.float32)
    tables[..., optimizers.SEEN] = rng.integers(0, 9, tables.shape[:-1])
    tables[1:, ..., [optimizers.S0, optimizers.S1]] += 1.0  # sums of squares grow
    for pieces, n_threads in ((512, 1), (1_024, 2), (2**13, 3)):
        monkeypatch.setattr("scalable.linear.solvers.descent.MERGED_AT_ONCE", pieces)
        before, *after = (DescentState(table.copy(), 10.0 + k) for k, table in enumerate(tables))
        merged.append(merge_replicas(descent, before, after, n_threads).table)
    assert np.isfinite(merged[0]).all()
    assert merged[0].tobytes() == merged[1].tobytes() == merged[2].tobytes()


def test_the_average_of_a_coefficient_that_no_replica_moved_comes_nearer_to_it_once(descent):
    """Added up over replicas, as the moves of rare categories are, this overshot and grew from round to round."""
    before = start(descent)
    before.table[0, :, optimizers.W] = 1.0
    before.table[0, :, optimizers.AVERAGE] = 0.2
    before.table[0, :, optimizers.SEEN] = 100.0
    states = []
    for _ in range(8):
        table = before.table.copy()
        optimizers.flush(descent.optimizer, descent.hyper, table, descent.objective.factors, 150.0)
        states.append(DescentState(table, 150.0))
    expected = states[0].table[0, :, optimizers.AVERAGE].copy()
    merged = merge_replicas(descent, before, states).table[0]
    np.testing.assert_allclose(merged[:, optimizers.AVERAGE], expected, rtol=1e-5)
    assert (merged[:, optimizers.AVERAGE] < 1.0).all()


def test_many_rounds_of_rare_categories_stay_near_the_optimum(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    monkeypatch.setattr("scalable.linear.solvers.rounds.ROUND_ROWS", 2**10)
    monkeypatch.setattr("scalable.linear.solvers.rounds.MOST_ROUND_ROWS", 2**10)
    rng = np.random.default_rng(3)
    n = 120_000
    ids = rng.integers(0, 3_000, n)
    z = rng.normal(0.0, 0.7, 3_000)[ids] - 2.0
    table = pa.table({"shop_id": ids, "y": (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.int8)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1_000)
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    many, one = (
        LogisticRegression(solver="sgd", max_iter=1, n_bins=2**12, n_replicas=replicas).fit(source)
        for replicas in (8, 1)
    )
    assert np.abs(many.model_.coef).max() < 2.0 * np.abs(one.model_.coef).max()
    y = table["y"].to_numpy()
    losses_of = [
        -np.mean(np.log(np.where(y, p, 1 - p))) for p in (m.predict_proba(source)[:, 1] for m in (many, one))
    ]
    assert losses_of[0] < 1.02 * losses_of[1]
