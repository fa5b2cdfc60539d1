from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from scalable.cli.app import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, scalable: Callable[..., object]) -> None:
    code, out, _ = scalable(command, "--help")  # type: ignore[misc]
    assert code == 0
    assert f"scalable {command} " in out.split("Examples:")[1]
    assert "--json" in out
    assert "--quiet" in out


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from scalable.cli.app import build\n"
        "from scalable.cli.screen.failure import run\n"
        "run(build(), ['train', '--help'])\n"
        "heavy = {'numba', 'numpy', 'pyarrow', 'polars', 'lightgbm', 'dask', 'distributed', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version(scalable: Callable[..., object]) -> None:
    code, out, _ = scalable("--version")  # type: ignore[misc]
    assert code == 0
    assert out.startswith("scalable 0.")
