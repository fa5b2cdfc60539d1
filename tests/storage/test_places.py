"""Models, predictions and checkpoints in an object store."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMRegressor
from scalable.boosting.training.checkpoint import Saved, newest, write
from scalable.cli.app import build
from scalable.cli.screen.failure import run as run_command
from scalable.data.encoded_cache import cache_directory
from scalable.data.fingerprint import Fingerprint
from scalable.errors import UsageError
from scalable.models.checkpoint import Checkpoint
from scalable.storage.places import ObjectPlace, place, respelled
from tests.storage.conftest import ROWS
from tests.storage.s3 import columns_of
from tests.test_imports import ROOT


def run(*words):
    return run_command(build(), list(words))


@pytest.mark.parametrize("learner", ["logistic", "lightgbm"])
def test_models_and_predictions_lie_there_too(learner, folder, prefix, tmp_path, capsys):
    there = f"s3://test-bucket/{learner}"
    shared = ["--target", "y", "-q"]
    made = {"local": (str(folder), str(tmp_path / "model")), "there": (prefix, f"{there}/model")}
    for data, model in made.values():
        assert run("train", learner, data, "--model", model, *shared) == 0
    assert run("train", learner, prefix, "--model", f"{there}/model", *shared) == 2
    assert "model already" in capsys.readouterr().err
    assert run("predict", made["local"][1], str(folder), "--out", str(tmp_path / "scores"), "-q") == 0
    assert run("predict", made["there"][1], prefix, "--out", f"{there}/scores", "-q") == 0
    local, remote = (columns_of(ParquetSource(out)) for out in (tmp_path / "scores", f"{there}/scores"))
    assert local.equals(remote)
    assert run("predict", made["there"][1], prefix, "--out", f"{there}/scores", "-q") == 2
    assert "not empty" in capsys.readouterr().err
    assert not place(f"{there}/model.checkpoint").exists()
    assert not Path("s3:").exists()


def test_the_commands_of_the_page_run(folder, prefix, uploaded):
    for name in ("transactions/a.parquet", "new/b.parquet"):
        uploaded.put(f"page/{name}", (folder / "part-1.parquet").read_bytes())
    page = (ROOT / "docs" / "object_stores.md").read_text()
    commands = re.findall(r"^\$ scalable (.*)$", page, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(
            command.replace("s3://bucket/", "s3://test-bucket/page/").replace("is_fraud", "y")
        )
        assert run(*words, "-q") == 0
    assert ParquetSource("s3://test-bucket/page/scored").n_rows == ROWS


def test_a_checkpoint_there_is_resumed_and_removed(prefix):
    where, same = "s3://test-bucket/ck/one", Fingerprint({"data": 1})
    Checkpoint(where, lambda: same, resume=False).write("rounds", {"n": 2}, {"x": np.arange(3.0)})
    kept = Checkpoint(where, lambda: same, resume=True)
    state, arrays = kept.read("rounds")
    assert (state, arrays["x"].tolist()) == ({"n": 2}, [0.0, 1.0, 2.0])
    with pytest.raises(UsageError, match="of another training"):
        Checkpoint(where, lambda: Fingerprint({"data": 2}), resume=True).read("rounds")
    kept.remove()
    assert not place(where).exists()


def test_boosting_keeps_its_two_newest_checkpoints_there(prefix):
    where, same = "s3://test-bucket/ck/trees", Fingerprint({"data": 1})
    rows = np.arange(40.0).reshape(-1, 1)
    text = (
        LGBMRegressor(n_estimators=1, n_jobs=1, engine="lightgbm")
        .fit(rows, rows[:, 0])
        .booster_.model_to_string()
    )
    for iteration in (10, 20, 30):
        write(where, Saved(iteration, text, []), same)
    assert newest(where, same).iteration == 30
    assert [each.name for each in place(where).iterdir()] == ["trees-000020", "trees-000030"]


def test_a_cache_of_rows_is_kept_on_disks():
    with pytest.raises(
        UsageError, match=r"s3://test-bucket/c: a cache of encoded rows is kept on file systems"
    ):
        cache_directory("s3://test-bucket/c", None, None, 1)


def test_a_place_has_the_manners_of_a_path(prefix):
    assert place("x/y") == Path("x/y")
    assert place(Path("s3://test-bucket/a/b")) == ObjectPlace("s3://test-bucket/a/b")
    assert str(place("s3://test-bucket//a//b/")) == "s3://test-bucket/a/b"
    doubled = {
        name: str(file) for name, file in place(prefix.replace("/one", "//one")).objects_below().items()
    }
    assert doubled == {name: str(file) for name, file in place(prefix).objects_below().items()}
    folder = place(prefix)
    assert (folder.name, str(folder.parent), (folder / "a.txt").suffix) == (
        "one",
        "s3://test-bucket/sets",
        ".txt",
    )
    assert folder.is_dir()
    assert not folder.is_file()
    assert folder.exists()
    assert [each.name for each in folder.glob("part-*")] == [f"part-{k}.parquet" for k in range(3)]
    assert not (folder / "other").exists()
    with pytest.raises(FileNotFoundError):
        (folder / "other").unlink()


def test_messages_have_the_slashes_that_a_path_lost(prefix, capsys):
    assert (
        respelled("s3:/b/k: not a model (as s3://b/k, x/s3:/b)")
        == "s3://b/k: not a model (as s3://b/k, x/s3:/b)"
    )
    assert respelled("registry:s3:/b/fraud@1") == "registry:s3://b/fraud@1"
    assert run("evaluate", f"{prefix}/none", prefix, "--target", "y", "-q") == 1
    told = capsys.readouterr().err
    assert f"{prefix}/none" in told
    assert "s3:/t" not in told
