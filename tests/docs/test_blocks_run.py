"""What the pages show is run: their Python as it stands, their commands on small data, in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import data_gen
from bench.readme import ROOT, pages

PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in pages()}
TESTED_ELSEWHERE = {
    "docs/extending.md"
}  # tests/bench/test_pages.py and test_suites.py take its blocks for files
SMALLER = {
    "10_000_000": "30_000",
    "1M": "30k",
    "200k": "20k",
    "100000": "300",
    "n_estimators=300": "n_estimators=3",
}
SMALLER |= {"--n-estimators 300": "--n-estimators 3", "n_estimators=60": "n_estimators=3", "10**6": "10**4"}
NEEDS_MORE = ("tcp://", "/shared/", "quickstart", "versus", "churned", "model.txt rows/", "serve_forever")
SETTING = {
    "docs/kernel_svm.md": "import numpy as np\nX = np.random.default_rng(0).normal(size=(2000, 5))\ny = X[:, 0] > 0\n",
    "docs/reduce_inference_latency.md": "import numpy as np\nX = np.zeros((4, 5))\nx = X[0]\n",
    "docs/inference.md": "import numpy as np\nX = np.zeros((4, 5))\nx = X[0]\nrows = X\n",
}


QUIETLY: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
PROGRAM_ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def smaller(text: str) -> str:
    for word, other in SMALLER.items():
        text = text.replace(word, other)
    return text


def python_blocks() -> list[tuple[str, int, str]]:
    found = []
    for name, text in PAGES.items():
        if name in TESTED_ELSEWHERE:
            continue
        for match in re.finditer(r"^( *)```python\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE):
            code = re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE)
            found.append((name, text[: match.start()].count("\n") + 1, code))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data and models that the pages speak of."""
    import lightgbm

    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    folder = tmp_path_factory.mktemp("pages")
    data_gen.generate(
        "fraud", rows=30_000, out=folder / "transactions", rows_per_file=2**13, row_group_rows=2**12
    )
    data_gen.generate("fraud", rows=20_000, out=folder / "new", seed=1)
    data_gen.generate("fraud", rows=30_000, out=folder / "data")
    data_gen.generate("physics", rows=4000, out=folder / "rows")
    shutil.copytree(folder / "new", folder / "held_out")
    source = ParquetSource(folder / "transactions", target="is_fraud")
    LGBMClassifier(n_estimators=3, n_workers=1, identifiers=False).fit(source).save(folder / "forest.model")
    X = np.random.default_rng(0).normal(size=(500, 5))
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, X[:, 0]), 3)
    booster.save_model(folder / "model.txt")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "line", "code"), [pytest.param(*b, id=f"{b[0]}:{b[1]}") for b in python_blocks()]
)
def test_python_runs(name: str, line: int, code: str, home: Path, tmp_path: Path) -> None:
    if any(word in code for word in NEEDS_MORE):
        pytest.skip("needs a cluster, a port or data of the reader's")
    here = tmp_path / "here"
    shutil.copytree(home, here)
    file = here / "block.py"
    file.write_text(SETTING.get(name, "") + smaller(code))
    if 'generate("fraud"' in code:
        shutil.rmtree(here / "fraud", ignore_errors=True)
    elif not (here / "fraud").exists():
        shutil.copytree(here / "transactions", here / "fraud")
    done = subprocess.run(
        [sys.executable, str(file)], cwd=here, env=PROGRAM_ENV, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{name}, line {line}: {done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docs/getting_started.md", "README.md", "docs/reduce_inference_latency.md"])
def test_commands_run_in_the_order_of_the_page(name: str, home: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(home, here)
    if name == "README.md":
        shutil.rmtree(here / "forest.model")
    if name == "docs/getting_started.md":
        shutil.rmtree(here / "forest.model")
        shutil.rmtree(here / "held_out")
    if name == "docs/reduce_inference_latency.md":
        (here / "transactions").rename(here / "fraud")
        (here / "forest.model").rename(here / "fraud.model")
    ran = 0
    for command in re.findall(r"^\$ (scalable .*)$", PAGES[name], re.MULTILINE):
        if any(word in command for word in NEEDS_MORE) or "data/2026" in command:
            continue
        words = shlex.split(smaller(command))[1:]
        program = [sys.executable, "-c", "from scalable.cli import main; main()"]
        done = subprocess.run(
            [*program, *words], cwd=here, env=PROGRAM_ENV, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        ran += 1
    assert ran
