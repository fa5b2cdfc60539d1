"""The line of progress: readable at 60, 80 and 140 columns, and honest about what was broken off."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from scalable import progress
from scalable.cli.screen import display
from scalable.cli.screen.line import Shown, clock, line

FOREST = Shown(
    "train lightgbm",
    120,
    300,
    "trees",
    42.0,
    63.0,
    "valid binary_logloss 0.031234  valid auc 0.98123",
    "running",
)
LONG = Shown(
    "plan: 2 workers of 1 thread with 1.2 GB each, 300 trees on 5,000,000 rows", 3.1e6, 5e6, "rows", 9.0, 8.0, "",
    "running",
)  # fmt: skip


def written(task: Shown, width: int) -> str:
    return "".join(text for text, _ in line(task, width))


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140, 200])
@pytest.mark.parametrize("task", [FOREST, LONG])
def test_nothing_wraps_and_the_count_is_always_there(task: Shown, width: int) -> None:
    text = written(task, width)
    assert len(text) <= width
    assert ("120/300 trees" if task is FOREST else "3.1M/5M rows") in text


def test_more_columns_say_more() -> None:
    narrow, usual, wide = (written(FOREST, width) for width in (60, 80, 140))
    for text in (narrow, usual, wide):
        assert "train lightgbm" in text
        assert "1:03 left" in text
        assert "2.86/s" in text
        assert "━" in text
    assert "auc" not in narrow
    assert "valid binary_log" in usual + wide
    assert "auc 0.98123" in wide
    assert "…" in written(LONG, 60)


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("unit", ["", "rows"])  # words; work that nobody can count
def test_words_are_whole_at_any_width(width: int, unit: str) -> None:
    words = "rare positives: min_sum_hessian_in_leaf=30, min_gain_to_split=3, unless you give them, and so on for long"
    text = written(Shown(words, 0, None, unit, 0.4, None, "", "finished"), width)
    assert " ".join(text.split()) == f"✓ {words}{' 0:00' if unit else ''}"
    assert max(map(len, text.split("\n"))) <= width
    assert ("\n" in text) == (width < 140)


def test_marks_tell_how_it_ended() -> None:
    for state, mark in (("running", "•"), ("finished", "✓"), ("broken off", "✗")):
        text = written(Shown("fit", 5, 10, "rows", 3.0, None, "", state), 80)
        assert text.startswith(f"{mark} fit")
        assert ("left" in text) == (state == "running")
    assert "5/10 rows" in written(Shown("fit", 5, 10, "rows", 3.0, None, "", "broken off"), 80), (
        "not filled up"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--"), (0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_display_marks_what_failed(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")

    def work() -> None:
        with display.live(quiet=False):
            with progress.task("read", 10) as task:
                task.advance(10)
            with progress.task("train", 10, "trees") as task:
                task.advance(4, loss=0.5)
                raise LookupError

    with pytest.raises(LookupError):
        work()
    end = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    last = {text.split()[1]: text for text in end.replace("\r", "\n").splitlines() if len(text.split()) > 1}
    assert last["read"].startswith("✓")
    assert last["train"].startswith("✗")
    assert all(len(text) <= columns for text in last.values())
    assert terminal.getvalue().endswith("\x1b[?25h"), "the cursor is back"


def test_ctrl_c_leaves_a_cross_and_a_clean_screen(tmp_path: Path) -> None:
    code = (
        "import signal, time\n"
        "from scalable import progress\n"
        "from scalable.cli.screen.display import live\n"
        "from scalable.cli.screen.interrupt import watch\n"
        "watch(['train'])\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"  # as in native code that does not come back
        "with live(False), progress.task('train', 10, 'trees') as task:\n"
        "    task.advance(3)\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(60)\n"
    )
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=terminal, cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    os.close(terminal)
    parts: list[bytes] = []

    def read() -> None:  # from the beginning: whoever draws waits for a terminal that is full
        with suppress(OSError):  # the other end is closed
            while True:
                parts.append(os.read(controller, 4096))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    reader.join(20)
    os.close(controller)
    seen = b"".join(parts)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    lines = [part for part in text.replace("\r", "\n").splitlines() if part.strip()]
    assert lines[-1].startswith("scalable: interrupted; go on with")
    assert lines[-2].startswith("✗ train")
    assert "\x1b[?25h" in seen.decode(), "the cursor is back"
