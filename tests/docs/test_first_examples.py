"""The first example of every ``scalable COMMAND --help`` runs as pasted, on what getting started leaves."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from scalable.cli.app import COMMANDS, build
from scalable.cli.screen.failure import run
from tests.docs.pages import furnish, smaller

ELSEWHERE = {"quickstart", "serve", "load", "versus", "warm"}  # minutes, or a server: other tests run them
BEFORE = {
    "report": [
        f"evaluate {model}.model held_out/ --target is_fraud --json {model}.json"
        for model in ("line", "forest")
    ],
    "effect": ["generate effect --rows 5000 --out effect/"],
    "features push": ["features materialize features.toml --store store/"],
    "models list": ["models add fraud forest.model", "models add fraud line.model"],
    "models rollback": ["models promote fraud 1", "models promote fraud 2"],
}
TRAINED = (
    "train logistic fraud/ --target is_fraud --model line.model",
    "train lightgbm fraud/ --target is_fraud --model forest.model --n-estimators 3 --overwrite",
)


def first_example(command: str, shown: str) -> str:
    lines = [line.strip() for line in shown.split("Examples:\n")[1].split("\n\n", maxsplit=1)[0].splitlines()]
    return next(line for line in lines if line.startswith(f"scalable {command}"))


@pytest.mark.slow
def test_the_first_example_of_each_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    scalable = build()
    assert [run(scalable, line.split()) for line in TRAINED] == [0, 0]
    ordered = [name for name in COMMANDS if name not in ELSEWHERE]
    ordered.sort(key=["features materialize", "features push", "models add"].count, reverse=True)
    for name in ordered:
        capsys.readouterr()
        assert run(scalable, [*name.split(), "--help"]) == 0
        example = first_example(name, capsys.readouterr().out)
        for words in BEFORE.get(name, ()):
            assert run(scalable, words.split()) == 0, words
        code = run(scalable, shlex.split(smaller(example))[1:])
        assert code == 0, f"{example}: {capsys.readouterr().err[-800:]}"
