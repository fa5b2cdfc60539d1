"""Install the project into an environment, and compile the kernels of the quickstart while packages arrive.

pip waits for the network and writes files, on one processor. What kernels need to be compiled comes first; the other
processor then compiles while pip brings the rest. Nothing but Python's own library is used here.

    VENV/bin/python .ci/install.py
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager, suppress
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
FIRST = ("lightgbm", "numba", "psutil", "pyarrow", "scikit-learn")  # what the jobs of WARM import
PATIENCE = 120.0  # seconds to wait for kernels when all packages are there
WARM = """
import os, sys
os.nice(5)
sys.path.insert(0, sys.argv[1])
from scalable.cli.serve.warm_jobs import QUICKSTART, warm
warm(None, QUICKSTART)
"""


def first_requirements(project: Path = HOME / "pyproject.toml") -> list[str]:
    """Return what to install first, with the versions that the project asks for."""
    asked = tomllib.loads(project.read_text())["project"]["dependencies"]
    return [each for each in asked if re.split(r"[<>=!~;\[ ]", each)[0] in FIRST]


def install(*what: str) -> None:
    """Let pip install something, or end with its exit code."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *what]
    done = subprocess.run(command, cwd=HOME, env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


@contextmanager
def compiled_beside(command: list[str], patience: float = PATIENCE):
    """Run a command beside the body and wait for it after; what goes wrong with it is said in a line, and no more.

    When the body fails or is interrupted, the command ends at once, with all that it has started.
    """
    # Its own session, so that one signal ends it whole, and Ctrl-C is ours to handle.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
        try:
            said = child.communicate(timeout=patience)[1].strip()
        except subprocess.TimeoutExpired:
            said = f"not done after {patience:.0f} s more"
        if child.returncode != 0:
            reason = said.splitlines()[-1] if said else f"exit code {child.returncode}"
            print(f"note: not all kernels were compiled ahead, the first run does it ({reason})", flush=True)
    finally:
        for ending in (signal.SIGINT, signal.SIGKILL):  # the first lets it remove its folders
            with suppress(ProcessLookupError):
                os.killpg(child.pid, ending)
            with suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=5)


def main() -> None:
    """Install in two stages."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as Ctrl-C: leave nothing behind
    start = time.monotonic()
    install("--upgrade", "pip")
    install(*first_requirements())
    with compiled_beside([sys.executable, "-P", "-W", "ignore", "-c", WARM, str(HOME)]):
        install("--editable", ".")
        print(f"installed in {time.monotonic() - start:.0f} s; kernels are compiled ...", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
