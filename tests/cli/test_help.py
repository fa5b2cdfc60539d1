from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from scalable.cli.app import COMMANDS, GROUPS
from scalable.cli.names import aligned


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, scalable: Callable[..., object]) -> None:
    code, out, _ = scalable(*command.split(), "--help")  # type: ignore[misc]
    assert code == 0
    assert f"scalable {command} " in out.split("Examples:")[1]
    assert "--json" in out
    assert "--quiet" in out
    usage = out.split("\n", 1)[0]
    assert not re.search(r"\{|\[\[", usage), usage
    assert not re.search(r"<\w", out)  # a name or a unit, where Typer writes <int range>


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate", "MODEL DATA"),
        ("train", "[LEARNER] [DATA]"),
        ("serve", "MODEL..."),
        ("compare", "A B [DATA]"),
    ],
)
def test_the_usage_names_arguments(command: str, words: str, scalable: Callable[..., object]) -> None:
    _, out, _ = scalable(command, "--help")  # type: ignore[misc]
    assert out.split("\n", 1)[0] == f"Usage: scalable {command} [OPTIONS] {words}"
    listed = out.split("Arguments:\n")[1].split("\n\n")[0].split("\n")
    assert [line.split()[0] for line in listed] == words.replace("[", "").replace("]", "").split()


@pytest.mark.parametrize("group", [[], *([name] for name in GROUPS)], ids=str)
def test_what_a_list_of_commands_says_is_not_cut(group: list[str], scalable: Callable[..., object]) -> None:
    code, out, _ = scalable(*group, "--help")  # type: ignore[misc]
    listed = out.split("Commands:")[1]
    assert code == 0
    assert "..." not in listed
    assert ("Serve each MODEL over HTTP\n" in listed) is (not group)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from scalable.cli.app import build\n"
        "from scalable.cli.screen.failure import run\n"
        "from scalable.cli.app import COMMANDS\n"
        "commands = build()\n"
        "for name in COMMANDS:\n"
        "    run(commands, [*name.split(), '--help'])\n"
        "heavy = {'numba', 'numpy', 'pyarrow', 'polars', 'lightgbm', 'dask', 'distributed', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version(scalable: Callable[..., object]) -> None:
    code, out, _ = scalable("--version")  # type: ignore[misc]
    assert code == 0
    assert out.startswith("scalable 0.")
    assert scalable("-V") == scalable("--version")


def test_completion_knows_commands_and_options() -> None:
    program = (
        "import os, sys\n"
        "from scalable.cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    os.environ |= {'COMP_WORDS': line, 'COMP_CWORD': str(len(line.split(' ')) - 1)}\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        print('', '-- end', flush=True)\n"
    )
    lines = ["scalable tr", "scalable train --", "scalable train logis", "scalable generate fr"]
    done = subprocess.run(
        [sys.executable, "-c", program, *lines],
        capture_output=True, text=True, env={**os.environ, "_SCALABLE_COMPLETE": "complete_bash"}, check=True,
    )  # fmt: skip
    train, options, learner, dataset, rest = (each.split() for each in done.stdout.split("-- end"))
    assert train == ["train"]
    assert {"--target", "--model", "--overwrite"} <= set(options)
    assert learner == ["logistic"]
    assert dataset == ["fraud"]
    assert not rest


def test_names_and_their_meanings_do_not_touch() -> None:
    assert aligned([("a-very-long-name", "first"), ("b", "second")]).split("\n") == [
        "a-very-long-name  first",
        "b                 second",
    ]
