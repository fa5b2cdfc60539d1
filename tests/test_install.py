"""The install step: what comes first, and that what compiles beside it costs nothing when it fails."""

import importlib.util
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Starts a child of its own, says its number and waits.
NEVER_DONE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(f"{child.pid}\\n")
time.sleep(600)
"""


@pytest.fixture(scope="module")
def step():
    spec = importlib.util.spec_from_file_location("install_step", ROOT / ".ci" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_first_comes_what_kernels_need_in_the_versions_of_the_project(step):
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    first = step.first_requirements()
    assert len(first) == len(step.FIRST)
    assert set(first) < set(asked)
    assert "numba>=0.61" in first


def test_a_command_beside_that_fails_is_one_line(step, capfd):
    with step.compiled_beside([sys.executable, "-c", "raise ValueError('no\\nspace left')"]):
        print("body")
    said = capfd.readouterr().out.splitlines()
    assert said[0] == "body"
    assert said[1:] == ["note: not all kernels were compiled ahead, the first run does it (space left)"]


def test_a_command_beside_is_waited_for(step, tmp_path, capfd):
    made = tmp_path / "made"
    with step.compiled_beside(
        [sys.executable, "-c", f"import time; time.sleep(1); open({str(made)!r}, 'w')"]
    ):
        assert not made.exists()
    assert made.exists()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("ending", ["interrupt", "patience"])
def test_a_command_beside_ends_with_all_it_started(step, tmp_path, capfd, ending):
    said = tmp_path / "pid"
    command = [sys.executable, "-c", NEVER_DONE, str(said)]

    def body():
        with step.compiled_beside(command, patience=0.1):
            _wait_for(lambda: said.exists() and said.read_text().endswith("\n"))
            if ending == "interrupt":
                raise KeyboardInterrupt

    if ending == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            body()
    else:
        body()
        assert "not done after 0 s more" in capfd.readouterr().out
    _wait_for(lambda: not _runs(int(said.read_text())))


def test_an_install_that_fails_ends_with_its_code_and_no_stamp(tmp_path):
    """Where pip fails, make fails, and the next make installs again."""
    (tmp_path / "pip.py").write_text("import sys; sys.exit(7)\n")
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "install.py"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 7


def _runs(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # whoever adopts it may not reap it


def _wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
