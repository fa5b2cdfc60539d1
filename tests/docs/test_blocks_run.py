"""What the pages show is run: their Python as it stands, their commands on small data, in the order of the page."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.docs.pages import ROOT, Block, blocks, free_port, furnish, smaller

ALL = blocks()
CLUSTER = re.compile(r"tcp://[\d.]+:8786")
SERVED = re.compile(r"(?:127\.0\.0\.1|localhost):8000")
NAMES = {  # what a block speaks of without making it
    "docs/kernel_svm.md": "import numpy as np\nX = np.random.default_rng(0).normal(size=(2000, 5))\ny = X[:, 0] > 0\n",
    "docs/reduce_inference_latency.md": "import numpy as np\nX = np.zeros((4, 5))\nx = X[0]\n",
    "docs/inference.md": "import numpy as np\nX = np.zeros((4, 5))\nx = X[0]\n",
}
BY_ANOTHER_TEST = {  # files of the project, tried as such
    "docs/extending.md", "docs/extending_models.md", "docs/extending_data.md", "docs/extending_bench.md",
}  # fmt: skip
# Commands that are not ours, or run in another test: by their first words.
ELSEWHERE = {
    "export AWS_": "for the reader's shell",
    "git clone": "fetches the project",
    "make": "targets of the Makefile, which is how this test is run",
    ". .venv/bin/activate": "for the reader's shell",
    "pip install": "tests/test_wheel.py installs",
    "curl": "test_served_models_answer_as_the_pages_say sends it",
    "scalable quickstart": "tests/cli/test_end_to_end.py",
    "scalable serve": "test_served_models_answer_as_the_pages_say",
    "scalable load": "test_served_models_answer_as_the_pages_say",
    "scalable versus": "tests/bench/peers",
    "python -m bench": "records: minutes to hours; tests/bench asks that the modules are there",
}
PYTHON = [
    b for b in ALL if b.language == "python" and b.page not in BY_ANOTHER_TEST and not SERVED.search(b.text)
]
PAGES = sorted({b.page for b in ALL if any(c.startswith("scalable ") for c in b.commands)})
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PROGRAM = [sys.executable, "-c", "from scalable.cli import main; main()"]


def elsewhere(command: str) -> bool:
    there = "s3://" in command  # tests/storage/test_places.py has a server
    return there or any(command.startswith(words) for words in ELSEWHERE)


def test_every_block_is_run_or_marked_as_output() -> None:
    for block in ALL:
        where = f"{block.page}, line {block.line}"
        assert block.language in {"python", "console", "text", "toml"}, (
            f"{where}: {block.language or 'no language'}"
        )
        if block.language == "console":
            assert block.commands, f"{where}: a console block without a command is output: mark it as text"
        for command in block.commands:
            assert command.startswith("scalable ") or elsewhere(command), f"{where}: who runs {command!r}?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    furnish(folder)
    return folder


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a cluster of two workers, as processes of their own."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


def run(words: list[str], here: Path, what: str) -> str:
    done = subprocess.run(words, cwd=here, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{what}: {done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}:{block.line}")
def test_python_runs(block: Block, home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    here = tmp_path / "here"
    shutil.copytree(home, here)
    code = NAMES.get(block.page, "") + smaller(block.text)
    if block.page == "docs/cluster.md" and "sys.argv" in block.text:
        code = code.replace(
            "import sys\n", f"import sys\nsys.argv[1:] = ['{here}/transactions', 'raise', '3']\n", 1
        )
        code = code.replace('target="y"', 'target="is_fraud"')
    if CLUSTER.search(code):
        code = CLUSTER.sub(request.getfixturevalue("scheduler"), code)
    if 'generate("fraud"' in code:
        shutil.rmtree(here / "fraud")
    (here / "block.py").write_text(code)
    run([sys.executable, "block.py"], here, f"{block.page}, line {block.line}")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_commands_run_in_the_order_of_the_page(name: str, home: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(home, here)
    for command in [c for b in ALL if b.page == name for c in b.commands]:
        if elsewhere(command):
            continue
        words = shlex.split(smaller(command).replace("model.txt rows/", "rows.txt rows/"))
        for option in ("--model", "--out"):  # what is made anew
            if option in words and (here / words[words.index(option) + 1]).is_dir():
                shutil.rmtree(here / words[words.index(option) + 1])
        if words[1] == "latency" and "fraud.model" in words:
            assert (here / "fraud.model").exists()
        run([*PROGRAM, *words[1:]], here, f"{name}: {command}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [p for p in PAGES if any("scalable serve" in b.text for b in ALL if b.page == p)]
)
def test_served_models_answer_as_the_pages_say(name: str, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    here, address = tmp_path / "here", f"127.0.0.1:{free_port()}"
    shutil.copytree(home, here)
    of_page = [b for b in ALL if b.page == name]
    (command,) = [c for b in of_page for c in b.commands if c.startswith("scalable serve")]
    words = [*PROGRAM, *shlex.split(command)[1:], "--bind", address, "-q"]
    with subprocess.Popen(words, cwd=here, env=ENVIRONMENT) as server:
        try:
            until = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(f"http://{address}/v2/health/ready", timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.1)
            asked = 0
            for block in of_page:
                text = SERVED.sub(address, smaller(block.text))
                if block.language == "python" and text != smaller(block.text):
                    (here / "ask.py").write_text(text)
                    assert "prediction" in run([sys.executable, "ask.py"], here, f"{name}, line {block.line}")
                    asked += 1
                for typed in re.findall(r"^\$ (curl .*|scalable load .*)$", text, re.MULTILINE):
                    typed_words = shlex.split(typed)
                    if typed_words[0] == "curl":
                        body = typed_words[typed_words.index("-d") + 1].encode()
                        with urllib.request.urlopen(typed_words[-1], data=body, timeout=30) as answer:
                            assert b"prediction" in answer.read()
                    else:
                        run([*PROGRAM, *typed_words[1:]], here, typed)
                    asked += 1
            assert asked
        finally:
            server.terminate()


def test_the_example_of_a_benchmark_is_one() -> None:
    (block,) = [b for b in ALL if b.page == "docs/extending_bench.md" and b.language == "python"]
    module = types.ModuleType("bench.suites.example")
    module.__package__ = "bench.suites"
    exec(block.text, vars(module))
    module.setup()
    benchmark = module.Rows()
    benchmark.setup(8)
    assert benchmark.track_rows(8) > 0


def test_the_example_of_a_loss_is_one() -> None:
    losses = importlib.import_module("scalable.kernels.linear.losses")
    (block,) = [b for b in ALL if b.page == "docs/extending.md" and b.language == "python"]
    said: dict[str, object] = {}

    def loss(**facts: object) -> Callable[[Any], Any]:
        said.update(facts)
        return lambda function: function  # the file's own decorator compiles from a file

    names = {**vars(losses), "loss": loss}
    exec(block.text, names)
    function = names["log_cosh"]
    assert losses.Loss("log_cosh", 0, function, **said).smooth
    for z in (-3.0, -0.5, 0.4, 2.0):
        value, gradient, curvature = function(z, 1.0, 0.0)
        assert value == pytest.approx(np.log(np.cosh(z - 1.0)), abs=1e-12)
        assert gradient == pytest.approx(np.tanh(z - 1.0))
        assert curvature == pytest.approx(1.0 / np.cosh(z - 1.0) ** 2)
