"""A checkpoint takes the whole of its place, and is removed at the end: nothing of the user's may be there."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting.training import checkpoint
from scalable.boosting.training.checkpoint import Saved
from scalable.data.fingerprint import Fingerprint
from scalable.errors import ModelError, UsageError
from scalable.inference import compile_model
from scalable.inference.cascade import Cascade
from scalable.linear import LogisticRegression

ONE = Fingerprint({"rows": "a"})


@pytest.fixture
def source(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] > 0}), tmp_path / "rows.parquet")
    return ParquetSource(tmp_path / "rows.parquet", target="y")


@pytest.mark.parametrize("what", ["folder", "file", "model"])
@pytest.mark.filterwarnings("ignore")  # one step on purpose: no checkpoint is ever written
def test_what_is_no_checkpoint_is_refused_and_stays(source, tmp_path, what):
    """A fit that ended before its first checkpoint removed the folder with all that was in it."""
    place = tmp_path / "mine"
    if what == "model":
        LogisticRegression().fit(source).save(place)
    elif what == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("all of it")
    else:
        place.write_text("all of it")
    before = sorted(place.rglob("*"))
    with pytest.raises(UsageError, match="holds something else than a checkpoint"):
        LogisticRegression(max_iter=1, checkpoint=place).fit(source)
    assert sorted(place.rglob("*")) == before
    assert place.exists()


@pytest.mark.filterwarnings("ignore")
def test_an_empty_folder_is_taken(source, tmp_path):
    (tmp_path / "new").mkdir()
    LogisticRegression(max_iter=1, checkpoint=tmp_path / "new").fit(source)
    assert not (tmp_path / "new").exists()


def test_only_checkpoints_of_trees_are_removed(tmp_path):
    """Whatever a user called trees-... counted among them, and went as the oldest."""
    for name in ("trees-2024", "trees-old", "trees-000000.bak"):
        (tmp_path / name).mkdir()
    for k in range(1, 5):
        checkpoint.write(str(tmp_path), Saved(iteration=k, text="tree\n"), ONE)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "trees-000000.bak", "trees-000003", "trees-000004", "trees-2024", "trees-old"
    ]  # fmt: skip


def test_a_cascade_replaces_nothing_but_a_cascade(tmp_path):
    import lightgbm as lgb

    X = np.random.default_rng(0).random((200, 2))
    data = lgb.Dataset(X, X[:, 0] > 0.5)
    booster = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 2)
    found = Cascade(*(compile_model(booster.model_to_string(1, k)) for k in (0, 1)), 0.3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(ModelError, match="is no cascade"):
        found.save(tmp_path / "mine")
    for _ in range(2):
        found.save(tmp_path / "c")
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize("options", [{"categorical": ["nope"]}, {"log": ["nope"]}], ids=str)
def test_columns_that_are_not_there_are_named(source, options):
    with pytest.raises(ValueError, match=r"there is no (categorical|log) column 'nope'"):
        LogisticRegression(**options).fit(source)


def test_a_seed_that_numpy_refuses_is_refused_in_one_line(source):
    with pytest.raises(UsageError, match="random_state must lie between 0 and"):
        LogisticRegression(solver="sgd", random_state=-1).fit(source)
