"""What a checkpoint depends on: other rows, labels, parameters or starting models are refused by name."""

from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.boosting.train import _Spill
from scalable.data.table import as_source
from scalable.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2_000, 3))
Y = (X[:, 0] + RNG.normal(size=2_000) > 0).astype(np.int64)


def model(**params):
    return LGBMClassifier(n_estimators=6, num_leaves=7, verbosity=-1, **params)


def write(path, y):
    pq.write_table(pa.table({f"x{j}": X[:, j] for j in range(3)} | {"y": y}), path, row_group_size=500)
    return ParquetSource(path, "y")


def interrupted(env):
    if env.iteration == 4:
        raise RuntimeError("the power went out")


def begin(place, *data, **options):
    with pytest.raises(RuntimeError, match="power went out"):
        model().fit(*data, checkpoint=str(place), checkpoint_every=2, callbacks=[interrupted], **options)


def resume(place, *data, estimator=None, **options):
    kept = {"checkpoint": str(place), "checkpoint_every": 2, "resume": True}
    return (estimator or model()).fit(*data, **kept, **options)


def test_arrays_with_other_labels_are_refused_and_the_same_ones_resumed(tmp_path):
    begin(tmp_path / "c", X, Y)
    with pytest.raises(UsageError, match=r"belong to another training \(column '__target__' differs\)"):
        resume(tmp_path / "c", X, 1 - Y)
    resumed = resume(tmp_path / "c", X.copy(), list(Y))
    assert resumed.booster_.model_to_string() == model().fit(X, Y).booster_.model_to_string()


def test_what_else_a_checkpoint_depends_on_is_named(tmp_path):
    begin(tmp_path / "c", X, Y)
    other = model().fit(X[:, ::-1], Y)
    for told, options in {
        "learning_rate was 0.1, is 0.5": {"estimator": model(learning_rate=0.5)},
        "valid differs": {"valid": (X[:500], Y[:500])},
        "init_model differs": {"init_model": other.booster_},
        "classify was True, is False": {
            "estimator": LGBMRegressor(n_estimators=6, num_leaves=7, verbosity=-1)
        },
    }.items():
        with pytest.raises(UsageError, match=told):
            resume(tmp_path / "c", X, Y, **options)


def test_a_table_written_for_processes_is_known_again(tmp_path):
    with ExitStack() as stack:
        spill = _Spill(stack, remembered=True)
        first, second, other = (spill(as_source(X, y)) for y in (Y, Y.copy(), 1 - Y))
        assert first.paths != second.paths
        assert first.fingerprint().difference(second.fingerprint().parts) == ""
        assert first.fingerprint().difference(other.fingerprint().parts) == "column '__target__' differs"
        assert first.describe_place() == "the table"  # messages named a file that nobody else knows of
        block = next(first.raw_blocks(first.shards[0]))
        assert block.where(3) == "the table, row 3"


def test_files_with_other_labels_are_refused(tmp_path):
    source = write(tmp_path / "a.parquet", Y)
    begin(tmp_path / "c", source)
    with pytest.raises(UsageError, match=rf"file {tmp_path}/b.parquet is new"):
        resume(tmp_path / "c", write(tmp_path / "b.parquet", 1 - Y))
    with pytest.raises(UsageError, match=rf"file {tmp_path}/a.parquet changed since"):
        resume(tmp_path / "c", write(tmp_path / "a.parquet", 1 - Y))
