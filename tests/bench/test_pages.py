"""The code of the documentation: it parses, what it imports exists, and its example of a dataset is one."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import sys
import types

import numpy as np
import pytest

import data_gen
from bench.readme import ROOT, pages
from scalable.cli.app import COMMANDS
from scalable.cli.train.learners import LEARNERS

OURS = ("bench", "data_gen", "scalable")
PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in pages()}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_code_parses_and_what_it_imports_exists(name: str) -> None:
    for code in blocks(PAGES[name], "python"):
        lines = code.splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        for node in ast.walk(ast.parse("\n".join(line[indent:] for line in lines))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
                module = importlib.import_module(node.module)
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)], code


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist(name: str) -> None:
    for line in re.findall(r"^(?:\$ | {4})scalable (.*)$", PAGES[name], re.MULTILINE):
        words = shlex.split(line)
        assert words[0] in COMMANDS or " ".join(words[:2]) in COMMANDS, line
        if words[0] == "train":
            assert words[1] in LEARNERS or words[1].startswith("--"), line
    for module in re.findall(r"python -m (bench[\w.]*)", PAGES[name]):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("name", PAGES)
def test_files_named_are_there(name: str) -> None:
    for path in re.findall(r"`((?:bench|data_gen|scalable|tests|docs)/[\w./]+\.\w+)`", PAGES[name]):
        if "NAME" not in path and path != "docs/results/gate.json":  # recorded by `make gate-check`
            assert (ROOT / path).exists(), path


def test_the_example_of_a_dataset_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks(PAGES["docs/extending_data.md"], "python")[0]
    module = types.ModuleType("data_gen.datasets.coins")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(importlib.import_module("data_gen.datasets"), "NAMES", ("coins",))
    exec(code, vars(module))
    rows = data_gen.rows("coins", 0, 2**15)
    p = data_gen.truth("coins", 0, 2**15)
    weight = rows["weight"].to_numpy().astype(float)
    odds = np.log(p / (1 - p)) - 2.0 * weight
    assert p.mean() == pytest.approx(0.3, rel=1e-5)
    assert np.ptp(odds) < 1e-4  # one intercept
    assert rows["heads"].to_numpy().mean() == pytest.approx(0.3, abs=0.02)
    assert data_gen.rows("coins", 777, 779).equals(rows.slice(777, 2))
