"""The gate on a project that is not ours: any asv suite, nothing measured is a failure."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from bench.gate import __main__ as gate
from bench.gate.build import Build, repository
from bench.gate.turns import ANY_SUITE, take_turns, works_of
from bench.gate.verdict import judge_all
from scalable.errors import UsageError

SUITE = """
from tiny import work

class Sums:
    params = ([100, 20000],)
    param_names = ("n",)

    def setup(self, n):
        self.n = n

    def time_sum(self, n):
        work(self.n)

def time_small():
    work(2000)

def track_not_this():
    return 1
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A package in two states, and an asv suite of it."""
    for name, times in (("base", 1), ("head", 3)):
        (tmp_path / name / "tiny").mkdir(parents=True)
        code = f"def work(n):\n    for _ in range({times}):\n        sum(range(n))\n"
        (tmp_path / name / "tiny" / "__init__.py").write_text(code)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    (tmp_path / "benchmarks" / "sums.py").write_text(SUITE)
    return tmp_path


def test_any_suite_is_measured(tiny: Path) -> None:
    works = works_of(tiny / "head", tiny / "benchmarks")
    assert works == ["sums.Sums.time_sum(100)", "sums.Sums.time_sum(20000)", "sums.time_small"]
    assert works_of(tiny / "head", tiny / "benchmarks", "small") == ["sums.time_small"]
    with pytest.raises(UsageError, match=r"no benchmark named time_... matches 'large'"):
        works_of(tiny / "head", tiny / "benchmarks", "large")
    script = (str(ANY_SUITE), str(tiny / "benchmarks"))
    found = take_turns(tiny / "base", tiny / "head", works[1:], starts=1, turns=14, suite=script)
    assert {row["work"]: row["verdict"] for row in judge_all(found)} == dict.fromkeys(works[1:], "slower")


def test_the_command_takes_any_suite_and_fails_when_nothing_was_measured(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def built(revision: str, directory: Path, root: Path) -> Build:
        assert root == tiny
        return Build(revision, "0" * 40, tiny / revision)

    monkeypatch.setattr(gate, "build", built)
    monkeypatch.setattr(gate, "repository", lambda _: tiny)
    monkeypatch.setattr(gate, "take_turns", partial(take_turns, starts=1, turns=14))
    words = [
        "gate",
        "compare",
        "--suite",
        str(tiny / "benchmarks"),
        "--bench",
        "small",
        "--out",
        str(tiny / "out"),
    ]
    monkeypatch.setattr(sys, "argv", [*words, "base", "head"])
    assert gate.main() == 1
    assert "slower: sums.time_small" in (tiny / "out" / "gate.md").read_text()
    assert "Nanoseconds a call" in capsys.readouterr().out
    (tiny / "base" / "tiny" / "__init__.py").write_text(
        "def work(n):\n    raise NotImplementedError('later')\n"
    )
    assert gate.main() == 2
    assert (
        "nothing was measured: sums.time_small: base: NotImplementedError: later" in capsys.readouterr().err
    )


def test_a_folder_outside_any_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder of a git repository"):
        repository(tmp_path)
