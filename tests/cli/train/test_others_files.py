"""What is not ours stays: files beside a model, under a checkpoint's name, under hidden names, or given as --out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Run = Callable[..., Any]
TRAIN = ("--target", "label", "--features", "x,count", "--no-profile", "--quiet")


@pytest.fixture
def model(scalable: Run, toy: Path, tmp_path: Path) -> Path:
    place = tmp_path / "m"
    assert scalable("train", "logistic", toy, "--model", place, *TRAIN).code == 0
    return place


@pytest.mark.parametrize("learner", ["gaussian-nb", "logistic", "lightgbm"])
@pytest.mark.parametrize("option", ["--overwrite", "--resume"])
def test_a_folder_called_like_a_checkpoint_stays(
    scalable: Run, toy: Path, tmp_path: Path, learner: str, option: str
) -> None:
    thesis = tmp_path / "m.checkpoint" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years")
    code, _, err = scalable("train", learner, toy, "--model", tmp_path / "m", option, *TRAIN)
    assert code == 2
    assert f"{thesis.parent}: holds something else than a checkpoint" in err
    assert thesis.read_text() == "years"


def test_a_file_called_like_a_checkpoint_stays(scalable: Run, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "m.checkpoint").write_text("years")
    assert scalable("train", "logistic", toy, "--model", tmp_path / "m", "--overwrite", *TRAIN).code == 2
    (tmp_path / "n.search").write_text("years")
    place = ("--model", tmp_path / "n", "--overwrite")
    code, _, err = scalable("tune", "logistic", toy, "--target", "label", "--space", "l2=0.1,1", *place)
    assert code == 2
    assert "n.search: is no checkpoint of a search" in err
    assert [each.read_text() for each in sorted(tmp_path.iterdir())] == ["years", "years"]


def test_what_lies_beside_a_model_stays(scalable: Run, toy: Path, model: Path) -> None:
    (model / "notes.txt").write_text("years")
    code, _, err = scalable("train", "logistic", toy, "--model", model, "--overwrite", *TRAIN)
    assert code == 1
    assert "'notes.txt' beside the model would be lost" in err
    assert (model / "notes.txt").read_text() == "years"
    (model / "notes.txt").unlink()
    assert scalable("train", "logistic", toy, "--model", model, "--overwrite", *TRAIN).code == 0
    (model / "model.sha256").unlink()  # as XGBoost's model.json has none
    assert scalable("train", "logistic", toy, "--model", model, "--overwrite", *TRAIN).code == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_model_stays_a_link(scalable: Run, toy: Path, tmp_path: Path, there: bool) -> None:
    (tmp_path / "link").symlink_to("far")
    for _ in range(1 + there):
        words = ("train", "logistic", toy, "--model", tmp_path / "link", "--overwrite", *TRAIN)
        assert scalable(*words).code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "model.json").is_file()
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_hidden_files_of_others_stay(scalable: Run, toy: Path, model: Path, command: str) -> None:
    home = model.parent / "home"
    (home / ".draft.tmp").mkdir(parents=True)
    (home / ".draft.tmp" / "novel").write_text("years")
    (home / ".rc.tmp").write_text("years")
    assert scalable(command, model, toy, "--out", home).code == 2
    assert sorted(path.name for path in home.rglob("*")) == [".draft.tmp", ".rc.tmp", "novel"]


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_data_is_not_replaced_by_a_page(scalable: Run, toy: Path, model: Path, option: str) -> None:
    data = model.parent / "held_out.parquet"
    pq.write_table(pq.read_table(toy), data)
    before, other = data.read_bytes(), ("--out", model.parent / "card.html")
    words = ("card", model, data, "--target", "label", *(other if option == "--json" else ()), option, data)
    code, _, err = scalable(*words)
    assert code == 2
    assert "is no page" in " ".join(err.split())
    assert data.read_bytes() == before


def test_thresholds_go_to_standard_output(scalable: Run, toy: Path, model: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(model.parent)
    _, out, _ = scalable("calibrate", model, toy, "--target", "label", "--out", "-")
    assert json.loads(out)["kind"] == "set"
    assert not Path("-").exists()
