"""A killed process leaves what a resumed one finishes to the same bytes."""

import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import sys, data_gen
data_gen.generate("fraud", rows=int(sys.argv[2]), out=sys.argv[1], seed=3, rows_per_file=8192,
                  row_group_rows=4096, resume=True, workers=2)
"""


@pytest.mark.parametrize(
    "moments",
    [(4,), pytest.param((0, 1, 9, 17, 25, 33), marks=pytest.mark.slow)],
    ids=["once", "at many moments"],
)
def test_sigkill_then_resume_gives_the_same_bytes(small, tmp_path, contents, moments):
    """Kill one job when so many files are there, again and again, then let it finish."""
    rows = 40 * 8192
    small(out=tmp_path / "whole", rows=rows)
    out = tmp_path / "cut"
    command = [sys.executable, "-c", SCRIPT, str(out), str(rows)]
    for wanted in moments:
        with subprocess.Popen(command) as process:
            while process.poll() is None and not (
                (out / ".generation").exists() and len(list(out.glob("part-*"))) >= wanted
            ):
                time.sleep(0.001)
            assert process.poll() is None, "finished before it could be killed"
            process.send_signal(signal.SIGKILL)
        assert not (out / "manifest.json").exists()
    subprocess.run(command, check=True)
    assert contents(out) == contents(tmp_path / "whole")
