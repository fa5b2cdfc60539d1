"""Every bad input ends in one line that names the thing and the remedy, and leaves nothing behind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., Any]


def failed(outcome: Any, *words: str, code: int = 1) -> None:
    assert outcome.code == code, outcome
    lines = [line for line in outcome.err.splitlines() if line.startswith("scalable: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    for word in words:
        assert word in lines[0]
    assert "unexpected" not in lines[0]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "out.model"


def test_missing_target_column(scalable: Run, toy: Path, model: Path) -> None:
    outcome = scalable("train", "logistic", toy, "--target", "labels", "--model", model)
    failed(outcome, "'labels'", "did you mean 'label'?", str(toy))
    assert not model.exists()


def test_not_parquet(scalable: Run, tmp_path: Path, model: Path) -> None:
    text = tmp_path / "rows.parquet"
    text.write_text("a,b\n1,2\n" * 100)
    failed(scalable("train", "logistic", text, "--target", "b", "--model", model), str(text), "Parquet")


def test_a_csv_is_told_what_makes_parquet_of_it(scalable: Run, tmp_path: Path) -> None:
    text = tmp_path / "rows.csv"
    text.write_text("a,b\n1,2\n" * 100)
    failed(outcome := scalable("describe", text), str(text), "CSV, not Parquet")
    (program,) = re.findall(r'python -c "(.*)"$', outcome.err.strip())
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert scalable("describe", tmp_path / "rows.parquet").code == 0
    failed(scalable("describe", text.rename(tmp_path / "rows.json")), "turn it into Parquet first")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train logistic DATA --taget label --model m", "unknown option --taget; did you mean --target?"),
        ("train logistic DATA --target label --modle=m", "unknown option --modle; did you mean --model?"),
        ("train logistic DATA --target label --model m --vaild x", "did you mean --valid?"),
        ("train logistic DATA --target label --model m --q9 1", "there are --C, --average"),
        ("train logistic DATA --target label", "Error: missing --model"),
        ("tune logistic DATA --taget label --space C=1|2", "unknown option --taget; did you mean --target?"),
        ("tune logistic DATA --target label", "Missing option '--space'"),
    ],
)
def test_a_mistyped_option_is_named_and_not_what_is_missing_for_it(
    words: str, said: str, scalable: Run, toy: Path
) -> None:
    outcome = scalable(*words.replace("DATA", str(toy)).split())
    assert outcome.code == 2
    assert said in outcome.err
    assert "--learner" not in outcome.err


def test_missing_data(scalable: Run, tmp_path: Path, model: Path) -> None:
    failed(
        scalable("train", "linear", tmp_path / "none", "--target", "b", "--model", model),
        str(tmp_path / "none"),
    )


def test_empty_directory(scalable: Run, tmp_path: Path, model: Path) -> None:
    (tmp_path / "empty").mkdir()
    failed(
        scalable("train", "linear", tmp_path / "empty", "--target", "b", "--model", model),
        "no *.parquet file",
    )


def test_empty_dataset(scalable: Run, tmp_path: Path, model: Path) -> None:
    file = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"x": np.empty(0), "y": np.empty(0)}), file)
    failed(scalable("train", "linear", file, "--target", "y", "--model", model), str(file), "no rows")


def test_differing_schemas(scalable: Run, toy: Path, tmp_path: Path, model: Path) -> None:
    shutil.copytree(toy, tmp_path / "mixed")
    table = pq.read_table(toy / "part-0.parquet")
    odd = table.set_column(table.schema.get_field_index("count"), "count", pa.array(["a"] * len(table)))
    pq.write_table(odd, tmp_path / "mixed" / "part-2.parquet")
    outcome = scalable("train", "logistic", tmp_path / "mixed", "--target", "label", "--model", model)
    failed(outcome, "part-2.parquet", "'count'", "int64")


def test_truncated_file(scalable: Run, toy: Path, tmp_path: Path, model: Path) -> None:
    shutil.copytree(toy, tmp_path / "cut")
    file = tmp_path / "cut" / "part-1.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    outcome = scalable("train", "logistic", tmp_path / "cut", "--target", "label", "--model", model)
    failed(outcome, "part-1.parquet", "truncated")


@pytest.mark.parametrize("learner", ["logistic", "lightgbm"])
def test_one_class(learner: str, scalable: Run, toy: Path, tmp_path: Path, model: Path) -> None:
    table = pq.read_table(toy / "part-0.parquet")
    same = table.set_column(table.schema.get_field_index("label"), "label", pa.array(["no"] * len(table)))
    pq.write_table(same, tmp_path / "same.parquet")
    failed(
        scalable("train", learner, tmp_path / "same.parquet", "--target", "label", "--model", model), "label"
    )
    assert not model.exists()


def test_label_with_many_values(scalable: Run, toy: Path, model: Path) -> None:
    outcome = scalable("train", "logistic", toy, "--target", "amount", "--model", model)
    failed(outcome, "amount")


def test_text_target_for_regression(scalable: Run, toy: Path, model: Path) -> None:
    outcome = scalable("train", "linear", toy, "--target", "city", "--model", model)
    failed(outcome, "city")


def test_unwritable_output(scalable: Run, toy: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    outcome = scalable(
        "train", "linear", toy, "--target", "amount", "--features", "x", "--model", blocker / "model"
    )
    failed(outcome, str(blocker))
    assert blocker.read_text() == "in the way"


def test_model_name_taken_by_something_else(scalable: Run, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    outcome = scalable(
        "train", "linear", toy, "--target", "amount", "--features", "x", "--model", tmp_path / "precious"
    )
    failed(outcome, "precious", "not a saved model")
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years"


def test_unreachable_scheduler(
    scalable: Run, toy: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalable.execution.executors.CONNECT_SECONDS", 1)
    outcome = scalable(
        "train", "logistic", toy, "--target", "label", "--model", model, "--client", "tcp://127.0.0.1:9"
    )
    failed(outcome, "tcp://127.0.0.1:9", "dask scheduler")


def test_not_a_model(scalable: Run, toy: Path, tmp_path: Path) -> None:
    failed(scalable("evaluate", tmp_path / "none", toy, "--target", "label"), str(tmp_path / "none"))
    failed(scalable("predict", toy, toy, "--out", tmp_path / "scores"), str(toy), "not a saved model")
    assert not (tmp_path / "scores").exists()


def test_altered_model(scalable: Run, toy: Path, model: Path) -> None:
    assert (
        scalable("train", "linear", toy, "--target", "amount", "--features", "x,gap", "--model", model).code
        == 0
    )
    document = model / "model.json"
    document.write_text(document.read_text().replace("identity", "identitY"))
    failed(scalable("evaluate", model, toy, "--target", "amount"), "model.json", "altered")


def test_unknown_learner_option(scalable: Run, toy: Path, model: Path) -> None:
    outcome = scalable("train", "logistic", toy, "--target", "label", "--model", model, "--solvr", "sgd")
    assert outcome.code == 2
    assert "did you mean --solver?" in outcome.err


def test_unknown_dataset_and_knob(scalable: Run, tmp_path: Path) -> None:
    failed(scalable("generate", "frud", "--rows", 10, "--out", tmp_path / "d"), "'fraud'", code=2)
    outcome = scalable("generate", "fraud", "--rows", 10, "--out", tmp_path / "d", "--set", "prevalance=0.1")
    failed(outcome, "'prevalence'", code=2)
    assert not (tmp_path / "d").exists()


def test_foreign_output_directory(scalable: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    failed(scalable("generate", "fraud", "--rows", 1000, "--out", tmp_path), str(tmp_path), code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_damaged_results(scalable: Run, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"format": 1')
    failed(scalable("report", tmp_path / "r.json", "--out", tmp_path / "r.html"), "r.json", "cut short")
    assert not (tmp_path / "r.html").exists()
    failed(scalable("report"), "no results given", code=2)


def in_small_disk(folder: Path, *argv: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a mount namespace of its own where `folder` is a 2 MB file system."""
    script = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]
    command = [*words, sys.executable, "-m", "scalable", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not available here, so no full disk can be made")
    return folder


def test_full_disk(small_disk: Path) -> None:
    done = in_small_disk(small_disk, "generate", "fraud", "--rows", "1M", "--out", small_disk / "data")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert str(small_disk) in lines[0]
    assert "free" in lines[0]


def test_disk_that_fills_while_predicting(small_disk: Path, scalable: Run, toy: Path, tmp_path: Path) -> None:
    model = tmp_path / "m"
    assert (
        scalable("train", "linear", toy, "--target", "amount", "--features", "x", "--model", model).code == 0
    )
    big = tmp_path / "big.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(0).normal(size=600_000)}), big)
    done = in_small_disk(small_disk, "predict", model, big, "--out", small_disk / "scores")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert str(small_disk) in done.stderr
    assert "--resume" in done.stderr or "free" in done.stderr


def test_the_learner_left_out(scalable: Run, toy: Path, model: Path) -> None:
    outcome = scalable("train", toy, "--target", "label", "--model", model)
    assert outcome.code == 2
    assert f"{str(toy)!r} is no learner" in outcome.err.replace("\n", " ")
    assert "logistic" in outcome.err
    assert "lightgbm" in outcome.err


def test_rows_that_the_model_does_not_suit(scalable: Run, toy: Path, tmp_path: Path, model: Path) -> None:
    """The file and the column that were given are named, not those of the training."""
    columns = ("--features", "x,count", "--quiet")
    assert scalable("train", "logistic", toy, "--target", "label", "--model", model, *columns).code == 0
    failed(scalable("evaluate", model, toy, "--target", "city"), "part-", "row 0", "'city'", "'no'")
    seen = scalable("evaluate", model, toy, "--target", "count")
    failed(seen, "--target count", "the model sees that column", code=2)
    table = pq.read_table(toy / "part-0.parquet")
    odd = table.set_column(table.schema.get_field_index("count"), "count", pa.array(["a"] * len(table)))
    pq.write_table(odd, tmp_path / "odd.parquet")
    outcome = scalable("predict", model, tmp_path / "odd.parquet", "--out", tmp_path / "scored")
    failed(outcome, "odd.parquet", "'count'", "int64 in training")


def test_a_checkpoint_elsewhere_is_refused(scalable: Run, toy: Path, model: Path, tmp_path: Path) -> None:
    """It was ignored: the command keeps one beside the model."""
    words = ("train", "logistic", toy, "--target", "label", "--model", model, "--checkpoint", tmp_path / "c")
    outcome = scalable(*words)
    assert outcome.code == 2
    assert "--resume goes on from it" in outcome.err
