from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.cli.screen import interrupt
from scalable.cli.screen.failure import explain
from scalable.errors import DataError, UsageError


def test_own_errors_are_shown_as_they_are() -> None:
    assert explain(DataError("a.parquet: truncated;\n write it again")) == (
        1,
        "a.parquet: truncated; write it again",
    )
    assert explain(UsageError("no such thing")) == (2, "no such thing")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EPIPE])
def test_operating_system_errors_name_the_file(number: int) -> None:
    code, line = explain(OSError(number, "text", "/some/where"))
    assert code == 1
    assert line.startswith("/some/where: ")
    assert ";" in line


def test_a_bug_is_called_unexpected() -> None:
    code, line = explain(KeyError("x"))
    assert code == 1
    assert "unexpected KeyError" in line
    assert "--debug" in line


def test_usage_errors_end_with_2(scalable: Callable[..., object]) -> None:
    for words in (
        ["train", "logistics", "d", "--target", "y", "--model", "m"],
        ["nothing"],
        ["generate", "--rows", "x"],
    ):
        code, _, err = scalable(*words)  # type: ignore[misc]
        assert code == 2
        assert "Traceback" not in err


def test_nearest_learner_is_proposed(scalable: Callable[..., object]) -> None:
    _, _, err = scalable("train", "logistics", "d", "--target", "y", "--model", "m")  # type: ignore[misc]
    assert "did you mean logistic?" in err


@pytest.mark.filterwarnings("default::scalable.errors.DataWarning")
def test_decisions_about_the_data_are_one_line(scalable: Callable[..., object], tmp_path: Path) -> None:
    table = pa.table({"x": [0.0, 1.0] * 50, "y": [0, 1, 1, 1] * 25, "day": list(range(100))})
    pandas = {b"pandas": b'{"index_columns": ["day"]}'}
    pq.write_table(table.replace_schema_metadata(pandas), tmp_path / "a.parquet")
    (tmp_path / "notes.txt").write_text("none")
    code, _, err = scalable(  # type: ignore[misc]
        "train", "logistic", tmp_path, "--target", "y", "--model", tmp_path.with_name("m"), "--quiet"
    )
    assert code == 0
    lines = err.splitlines()
    assert f"scalable: {tmp_path}: left out, as no Parquet files: notes.txt" in lines
    assert any(
        line.startswith("scalable: ") and "'day' is the index of a pandas frame" in line for line in lines
    )
    assert len(lines) == 2


def test_an_interruption_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads see it: the one that waits for the signal, and the one that was at work."""
    monkeypatch.setattr(interrupt, "_unsaid", threading.Lock())
    for _ in range(2):
        interrupt.say_interrupted(["train", "logistic"])
    assert capsys.readouterr().err == "scalable: interrupted; go on with: scalable train logistic --resume\n"
