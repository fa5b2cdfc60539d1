"""What ``scalable warm`` compiles, and what it says when a job fails."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scalable.cli.serve import warm_jobs
from scalable.data.readers.pages import CODED
from scalable.errors import ScalableError
from scalable.kernels.jit import is_compiled
from scalable.kernels.linear import gradients
from scalable.kernels.parquet.coded import decode_columns
from scalable.kernels.timeline import group, history, windows

ROOT = Path(__file__).resolve().parents[2]


def test_a_job_leaves_the_kernels_of_a_first_fit_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(CODED, "patience", CODED.patience)  # put back at the end
    warm_jobs.JOBS["newton"](tmp_path)
    assert is_compiled(decode_columns)
    assert is_compiled(gradients.log_curvatures)


def test_features_leave_the_kernels_of_a_first_join_and_lookup_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(CODED, "patience", CODED.patience)
    warm_jobs.JOBS["features"](tmp_path)
    for kernel in (windows.slide, windows.slide_distinct, group.find_groups, history.look_up):
        assert is_compiled(kernel)


def test_a_job_that_fails_is_named_with_what_it_said_last(monkeypatch):
    monkeypatch.setattr(warm_jobs, "JOBS", {"nothing": warm_jobs.newton})  # unknown to the child
    with pytest.raises(
        ScalableError, match="the kernels of 'nothing' could not be compiled: KeyError: 'nothing'"
    ):
        warm_jobs.warm(1)


# Written down by each process below this one, as it loads or saves a kernel.
RECORDER = """
import os
from scalable.kernels.compilation.cache_files import SealedCacheFile
def recorded(method):
    def record(self, name, *data):
        with open(os.environ["USED"], "a") as file:
            file.write(self._data_path(name) + "\\n")
        return method(self, name, *data)
    return record
SealedCacheFile._load_data = recorded(SealedCacheFile._load_data)
SealedCacheFile._save_data = recorded(SealedCacheFile._save_data)
"""
WARM = "from scalable.cli.serve.warm_jobs import QUICKSTART, warm; warm(None, QUICKSTART)"


def _kernels_of(command, place, name):
    """Return the kernels that a command and what it starts call from Python."""
    recorder = place / "recorder"
    recorder.mkdir(exist_ok=True)
    (recorder / "sitecustomize.py").write_text(RECORDER)
    used = place / f"{name}.txt"
    path = os.pathsep.join([str(recorder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "USED": str(used)}
    subprocess.run([sys.executable, "-W", "ignore", *command], env=env, cwd=place, check=True)
    # what other kernels call is asked for only where they are compiled
    return {line for line in used.read_text().splitlines() if ".linked" not in line}


class _References(HTMLParser):
    """Collects whatever a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            local = value is None or value.startswith(("#", "data:"))
            if name in {"src", "href", "xlink:href"} and not local and tag != "a":
                self.found.append(f"{tag} {name}={value}")


def _whole(quickstart):
    """Look at what a quickstart left."""
    results = json.loads((quickstart / "results.json").read_text())
    assert results == json.loads((quickstart.parent / "r.json").read_text())
    assert {"machine", "versions", "git_commit", "seed", "command"} <= set(results)
    quality = {row["model"]: row for row in results["sections"]["quality"]}
    best = quality["Bayes-optimal"]
    for name in ("logistic", "trees"):
        assert 0.5 < quality[name]["auc"] < best["auc"] + 0.02
        assert quality[name]["log_loss"] > best["log_loss"]
    assert best["auc"] == pytest.approx(results["sections"]["dataset"]["truth"]["auc"], abs=0.02)
    latency = results["sections"]["latency"]
    assert set(latency) >= {"1", "1000"}
    assert all(row["bit_equal"] for rows in latency.values() for row in rows)
    page = (quickstart / "report.html").read_text()
    reader = _References()
    reader.feed(page)
    assert reader.found == []
    assert page.count("<svg") >= 5


@pytest.mark.timeout(900)
def test_jobs_of_the_quickstart_leave_it_nothing_to_compile(tmp_path, scalable):
    warmed = _kernels_of(["-c", WARM], tmp_path, "warmed")
    # rows enough for the engine that the whole quickstart has
    command = ["quickstart", "--rows", "500k", "-q", "--out", "q", "--json", "r.json"]
    run = _kernels_of(["-m", "scalable", *command], tmp_path, "run")
    assert any("leafwise.step" in each for each in run)
    assert sorted(run - warmed) == []
    _whole(tmp_path / "q")
    assert scalable("report", tmp_path / "r.json", "--out", tmp_path / "again.html").code == 0
    assert "<svg" in (tmp_path / "again.html").read_text()
    assert scalable("compare", tmp_path / "r.json", tmp_path / "r.json").code == 0
