"""A journal keeps what was done through a kill at any byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from scalable.errors import DataError, UsageError
from scalable.report.journal import Journal, read_journal, refuse_others
from scalable.report.results import read_results, write_results


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "out" / "results.jsonl", "versus", seed=1, command="scalable versus")
    for number in range(3):
        journal.append("peers", {"job": "linear", "peer": f"p{number}", "seconds": np.float64(number)})
    journal.append("scaling", {"job": "linear", "rows": 10, "seconds": float("nan")})
    return journal


def again(journal, **changes):
    return Journal(journal.path, **{"kind": "versus", "seed": 1, "resume": True, **changes})


def test_rows_are_kept_in_order(journal):
    assert [row["peer"] for row in journal.rows("peers")] == ["p0", "p1", "p2"]
    assert journal.rows("scaling") == [{"job": "linear", "rows": 10, "seconds": None}]
    assert journal.rows("other") == []


def test_reads_back_as_a_results_document(journal, tmp_path):
    document = read_results(journal.path)
    assert document == read_journal(journal.path) == journal.document()
    assert (document["kind"], document["seed"], document["command"]) == ("versus", 1, "scalable versus")
    write_results(tmp_path / "results.json", document)
    assert read_results(tmp_path / "results.json") == document


def test_a_cut_at_any_byte_of_the_last_line_loses_that_line_only(journal):
    content = journal.path.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    for length in range(start, len(content)):
        journal.path.write_bytes(content[:length])
        resumed = again(journal)
        assert len(resumed.rows("peers")) == 3
        assert resumed.rows("scaling") == []
        resumed.append("scaling", {"job": "linear", "rows": 10, "seconds": float("nan")})
        assert journal.path.read_bytes() == content


def test_without_resume_it_starts_over(journal):
    assert again(journal, resume=False).document()["sections"] == {}


@pytest.mark.parametrize("change", [{"kind": "evaluate"}, {"seed": 2}])
def test_what_was_begun_otherwise_is_not_continued(journal, change):
    with pytest.raises(UsageError, match=f"begun with another {next(iter(change))}"):
        again(journal, **change)


def test_another_machine_is_not_continued(journal):
    text = journal.path.read_text().replace(json.dumps(journal.document()["machine"]["cpu"]), '"another"')
    journal.path.write_text(text)
    with pytest.raises(UsageError, match="begun with another cpu"):
        again(journal)


@pytest.mark.parametrize(
    "content", ["", "half a line", "[]\n", '{"format": 1}\n', '{"journal": 2, "machine": {}}\n']
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"results\.jsonl"):
        read_journal(path)


def test_damage_in_the_middle_is_named(journal):
    lines = journal.path.read_text().splitlines(keepends=True)
    journal.path.write_text("".join([*lines[:2], "{]\n", *lines[2:]]))
    with pytest.raises(DataError, match="line 3 is damaged"):
        again(journal)


def test_survives_a_kill(tmp_path):
    """A child appends without end and is killed; every row it reported as written is there."""
    path = tmp_path / "results.jsonl"
    program = (
        "import sys\n"
        "from scalable.report.journal import Journal\n"
        f"journal = Journal({str(path)!r}, 'versus')\n"
        "for n in range(10**9):\n"
        "    journal.append('peers', {'n': n, 'text': 'x' * 5000})\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        try:
            reported = next(int(line) for line in child.stdout if int(line) >= 20)
        finally:
            os.kill(child.pid, signal.SIGKILL)
        reported = max([reported, *map(int, child.stdout.read().split())])
    rows = Journal(path, "versus", resume=True).rows("peers")
    assert [row["n"] for row in rows] == list(range(len(rows)))
    assert len(rows) > reported


def test_a_folder_of_something_else_is_refused(tmp_path):
    refuse_others(tmp_path / "missing", "results.jsonl")
    refuse_others(tmp_path, "results.jsonl")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "results.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(UsageError, match="holds something else"):
        refuse_others(tmp_path, "results.jsonl", "previous.jsonl")
    Journal(tmp_path / "previous.jsonl", "versus")
    refuse_others(tmp_path, "results.jsonl", "previous.jsonl")
