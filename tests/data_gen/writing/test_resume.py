"""A killed process leaves what a resumed one finishes to the same bytes."""

import json
import signal
import subprocess
import sys
import time

import pytest

import data_gen.writing.journal
from data_gen.errors import OutputError

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
    small(out=out, rows=rows, resume=True, workers=2)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.fixture
def cut(small, tmp_path):
    """Leave a job of three files whose manifest was never written."""
    parts = data_gen.writing.journal.Journal.discard
    out = tmp_path / "cut"
    data_gen.writing.journal.Journal.discard = data_gen.writing.journal.Journal.close
    try:
        small(out=out, rows=3 * 8192, rows_per_file=8192)
    finally:
        data_gen.writing.journal.Journal.discard = parts
    (out / "manifest.json").unlink()
    return out


FORGED = {
    "not JSON": lambda note: "{",
    "a list": lambda note: "[]",
    "another type": lambda note: json.dumps({**note, "bytes": "many"}),
    "no truth": lambda note: json.dumps({k: v for k, v in note.items() if k != "truth_sha256"}),
    "other rows": lambda note: json.dumps({**note, "rows": 1 << 62}),
    "another place": lambda note: json.dumps({**note, "first_row": -1}),
    "another file": lambda note: json.dumps({**note, "path": "../secret"}),
    "a name nobody knows": lambda note: json.dumps({**note, "more": 1}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_note_means_that_its_file_is_written_again(small, tmp_path, contents, cut, forge):
    small(out=tmp_path / "whole", rows=3 * 8192, rows_per_file=8192)
    note = cut / ".generation" / "part-000001.parquet.json"
    note.write_text(forge(json.loads(note.read_text())))
    small(out=cut, rows=3 * 8192, rows_per_file=8192, resume=True)
    assert contents(cut) == contents(tmp_path / "whole")


def test_a_damaged_truth_means_that_its_file_is_written_again(small, tmp_path, contents, cut):
    small(out=tmp_path / "whole", rows=3 * 8192, rows_per_file=8192)
    (cut / ".generation" / "part-000001.parquet.arrays").write_bytes(b"PK nothing")
    small(out=cut, rows=3 * 8192, rows_per_file=8192, resume=True)
    assert contents(cut) == contents(tmp_path / "whole")


@pytest.mark.parametrize("content", ["", "[]", '{"request": 3, "versions": {}}'])
def test_a_damaged_request_is_refused(small, cut, content):
    (cut / ".generation" / "request.json").write_text(content)
    with pytest.raises(OutputError, match=r"request\.json is damaged .*--overwrite"):
        small(out=cut, rows=3 * 8192, rows_per_file=8192, resume=True)
