"""The driver of the billion-row job: its commands, its watch, its journal. The job itself is a slow test."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bench.billion import run as driver
from bench.billion.page import PICTURE, PLOT, RECORD, record
from bench.billion.record import name_of, written_sections
from bench.billion.stages import NEWTON, Stage, cluster_stages, stages
from bench.billion.watch import StageError, end_orphan, watched
from bench.plots import origin
from bench.readme import ROOT


def python(name, code, arguments=(), **more):
    class Fake(Stage):
        def command(self, resume):
            return [sys.executable, "-c", code]

    return Fake(name, "fake", arguments, 1000, **more)


def test_memory_bytes_and_time_of_a_child_of_the_command_count(tmp_path):
    child = "x = b'1' * (200 << 20); import time; time.sleep(0.6)"
    code = f"""
import os, subprocess, sys, time
with open({str(tmp_path / "big")!r}, "wb") as file:
    file.write(b"1" * (8 << 20)); file.flush(); os.fsync(file.fileno())
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    cost = watched([sys.executable, "-c", code], tmp_path / "log", tmp_path / "note")
    assert cost.peak_memory_bytes > 200 << 20
    assert cost.written_bytes >= 8 << 20
    assert cost.seconds > 0.6
    assert cost.to_json().keys() == {"seconds", "peak_memory_bytes", "read_bytes", "written_bytes"}


def test_a_failing_command_says_its_last_words(tmp_path):
    with pytest.raises(StageError, match=r"exit code 3[^\n]*\nall is lost"):
        watched(
            [sys.executable, "-c", "print('all is lost'); raise SystemExit(3)"],
            tmp_path / "l",
            tmp_path / "n",
        )


def test_an_orphan_is_ended_and_a_stranger_with_its_number_is_not(tmp_path):
    note = tmp_path / "note"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        created = psutil.Process(process.pid).create_time()
        note.write_text(f"{process.pid} {created + 5:.2f}")
        end_orphan(note)
        assert process.poll() is None
        note.write_text(f"{process.pid} {created:.2f}")
        end_orphan(note)
        process.wait(5)  # not sixty seconds


def test_a_command_that_ignores_an_interrupt_is_ended_with_its_children(tmp_path):
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("child", "w").write(str(child.pid))
time.sleep(60)
"""
    driver_code = f"""
import sys
from pathlib import Path
from bench.billion import watch
watch._PATIENCE = 0.3
watch.watched([sys.executable, "-c", {code!r}], Path({str(tmp_path / "log")!r}), Path({str(tmp_path / "note")!r}))
"""
    with subprocess.Popen([sys.executable, "-c", driver_code], stderr=subprocess.DEVNULL) as process:
        while not ((tmp_path / "child").exists() and (tmp_path / "child").read_text()):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait(10)
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(int((tmp_path / "child").read_text())).status() == psutil.STATUS_ZOMBIE


def counted(path, number, code="print('{}')"):
    return f"open({str(path)!r}, 'a').write('{number}'); {code}"


def test_finished_stages_are_not_repeated_and_a_failed_one_is(tmp_path, monkeypatch):
    count = tmp_path / "count"
    fail = "import os; raise SystemExit(not os.path.exists('ok'))"
    plan = [
        python("first", counted(count, 1)),
        python("second", counted(count, 2, fail)),
        python("third", counted(count, 3), needs=("second",)),
        python("fourth", counted(count, 4), needs=("first",)),
    ]
    monkeypatch.setattr(driver, "stages", lambda rows, trees: plan)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "job"
    with pytest.raises(
        StageError, match=r"second: exit code 1 of(.|\n)*third: left out, for it needs second"
    ):
        driver.run(out.relative_to(tmp_path), [1000])
    assert count.read_text() == "124"
    assert [r["stage"] for r in json.loads((out / "results.json").read_text())["sections"]["stages_1e3"]] == [
        "first",
        "fourth",
    ]
    (out / "1000" / "ok").touch()
    document = driver.run(out, [1000])
    assert count.read_text() == "12423"
    assert [(r["stage"], r["interrupted"]) for r in document["sections"]["runs"]] == [
        ("first", False),
        ("fourth", False),
        ("second", True),
        ("third", False),
    ]
    assert str(tmp_path) not in (out / "results.json").read_text()
    driver.run(out, [1000])
    assert count.read_text() == "12423"
    with pytest.raises(driver.UsageError, match="choose another directory"):
        driver.run(out, [2000])


def test_a_job_goes_on_at_another_commit_only_when_told_to(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "stages", lambda rows, trees: [python("first", "")])
    driver.run(tmp_path, [1000])
    journal = tmp_path / "journal.jsonl"
    head, rest = journal.read_text().split("\n", 1)
    journal.write_text(json.dumps(json.loads(head) | {"git_commit": "another"}) + "\n" + rest)
    with pytest.raises(driver.UsageError, match="another git_commit"):
        driver.run(tmp_path, [1000])
    assert driver.run(tmp_path, [1000], mended=True)["git_commit"] == "another"


def test_files_a_killed_command_left_are_removed_before_the_next(tmp_path, monkeypatch):
    code = "import tempfile; assert not len(__import__('os').listdir('tmp')); tempfile.mkdtemp()"
    monkeypatch.setattr(driver, "stages", lambda rows, trees: [python("a", code), python("b", code)])
    driver.run(tmp_path, [1000], keep=True)
    assert len(list((tmp_path / "1000" / "tmp").iterdir())) == 1


def test_a_disk_too_small_is_told_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(driver.UsageError, match=r"1,000,000,000,000,000 rows need [0-9]+\.[0-9] GB"):
        driver.run(tmp_path, [10**15])
    assert not (tmp_path / "1000000000000000" / "data").exists()


def test_newton_stays_below_64_columns():
    import data_gen

    columns = {c.name: c for c in data_gen.datasets()["fraud"].columns}
    width = sum(len(columns[n].levels) or 1 for n in NEWTON) + sum(columns[n].nullable for n in NEWTON)
    assert width <= 64


def test_every_stage_of_the_cluster_writes_apart_from_the_machine_s_and_goes_on_like_it():
    alone = {word for stage in stages(1000) for word in stage.arguments if word.endswith((".model", ".json"))}
    resumes = {stage.name for stage in stages(1000) if stage.resumes}
    names = {stage.name for stage in stages(1000)}
    for stage in cluster_stages(1000, "tcp://x"):
        assert not {w for w in stage.arguments if w.endswith((".json", ".model"))} & alone
        assert stage.arguments[-1] == "tcp://x"
        assert stage.name == f"{stage.arguments[stage.arguments.index('--json') + 1]}".removesuffix(".json")
        same = stage.name.removeprefix("cluster_")
        assert stage.resumes == (same in resumes)
        assert set(stage.needs) <= names
        names.add(stage.name)


def a_run(**more):
    return {"size": 10**9, "stage": "sgd", "rows": 10**9, "seconds": 100.0, "read_bytes": 0, "written_bytes": 0,
            "peak_memory_bytes": 2 << 30, "most_seconds": 90, "most_memory_bytes": 1 << 30, "interrupted": False,
            "command": "x", "load": 1.0} | more  # fmt: skip


def test_rows_say_what_took_longer_or_more_memory_than_asked():
    def note(**more):
        return written_sections([a_run(**more)])[f"stages_{name_of(more.get('size', 10**9))}"][0]["note"]

    assert note() == "longer than asked; more memory than asked"
    assert note(seconds=80.0, peak_memory_bytes=1 << 29) == ""
    assert note(size=10**8, peak_memory_bytes=1 << 29) == ""  # seconds are asked of a billion rows
    assert "interruption" in note(interrupted=True)
    (row,) = written_sections([a_run(interrupted=True)])["stages_1e9"]
    assert row["rows_per_second"] is None


def test_sizes_have_short_names():
    assert [name_of(n) for n in (1, 300_000, 10**9, 123)] == ["1e0", "3e5", "1e9", "123e0"]


def test_a_recorded_job_fills_the_tables_of_its_pages(tmp_path, monkeypatch, capsys):
    quality = """
import json
rows = [{"model": "sgd.model", "auc": 0.85, "log_loss": 0.125, "roc": [[0, 0]]},
        {"model": "Bayes-optimal", "auc": 0.875, "log_loss": 0.11}]
json.dump({"sections": {"quality": rows, "stages": [{"seconds": 0.5}]}}, open("q.json", "w"))
"""
    compiled = """print('{"compile_seconds": 0.25, "first_answer_seconds": 0.001}'); print('a warning')"""
    first = quality.replace(
        "0.85", "0.99"
    )  # what training tells of rows it has seen is not the model's quality
    plan = [
        python("sgd", first, ("--json", "q.json")), python("evaluate", quality, ("--json", "q.json")),
        python("compile", compiled),
    ]  # fmt: skip
    monkeypatch.setattr(driver, "stages", lambda rows, trees: plan)
    driver.run(tmp_path / "job", [1000, 2000])
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" rows: ")[1].split()[0] for line in said] == ["sgd", "evaluate", "compile"] * 2
    blocks = [
        "<!-- table:billion:stages_1e3 stage seconds ns_per_row peak_memory_bytes=peak note -->",
        "<!-- table:billion:sizes stage ns_1e3=at_1000 ns_2e3=at_2000 peak_2e3_bytes=peak -->",
        "<!-- table:billion:quality size model auc log_loss auc_gap_to_bayes=gap -->",
    ]
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").touch()
    page = tmp_path / "docs" / "billion.md"
    page.write_text("".join(f"{block}\n<!-- /table -->\n" for block in blocks))
    record(tmp_path / "job" / "results.json", tmp_path)
    lines = page.read_text().splitlines()
    assert "| 1,000 | sgd | 0.8500 | 0.12500 | 0.0250 |" in lines
    assert "| 2,000 | Bayes-optimal | 0.8750 | 0.11000 |  |" in lines
    assert any(line.endswith("| compiled in 0.25 s, first row answered after 1 ms more |") for line in lines)
    assert sum(line.startswith("| sgd | ") for line in lines) == 2
    sections = json.loads((tmp_path / "job" / "results.json").read_text())["sections"]
    assert origin(PLOT, PLOT.figures(sections)) in (tmp_path / PICTURE).read_text()
    assert PLOT.figures(sections)["sgd"]["rows"] == [1000, 2000]
    before = page.read_text()
    record(tmp_path / "job" / "results.json", tmp_path)
    assert page.read_text() == before


@pytest.mark.skipif(not (ROOT / RECORD).exists(), reason="the job was not recorded yet")
def test_the_committed_picture_and_sections_are_of_the_recorded_runs():
    sections = json.loads((ROOT / RECORD).read_text())["sections"]
    assert origin(PLOT, PLOT.figures(sections)) in (ROOT / PICTURE).read_text()
    made = json.loads(json.dumps(written_sections(sections["runs"])))
    assert made.items() <= sections.items()


@pytest.mark.slow
def test_the_whole_job_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-m", "bench.billion", "--out", str(tmp_path / "job"), "--rows", "1e6", "--trees", "12",
               "--cluster-at", "1e6"]  # fmt: skip
    journal = tmp_path / "job" / "journal.jsonl"
    with subprocess.Popen(command) as process:
        while process.poll() is None and not (tmp_path / "job" / "1000000" / "rotate.begun").exists():
            time.sleep(0.05)
        process.kill()
    assert '"stage": "newton"' in journal.read_text()
    subprocess.run(command, check=True)
    text = journal.read_text()
    for stage in (*stages(10**6), *cluster_stages(10**6, "")):
        assert text.count(f'"stage": "{stage.name}"') == 1
