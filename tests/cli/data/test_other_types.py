"""A column of a type that nothing learns from stands in no command's way, or the remedy named is one it takes."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., tuple[int, str, str]]
ROWS = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    x, cause = rng.normal(size=ROWS), rng.normal(size=ROWS)
    file = tmp_path_factory.mktemp("lists") / "rows.parquet"
    columns = {"x": x, "cause": cause, "y": x + cause + rng.normal(size=ROWS), "list": [[1, 2]] * ROWS}
    pq.write_table(pa.table({**columns, "class": (x > 0).astype(np.int8)}), file)
    return file


@pytest.mark.parametrize(
    "words",
    [
        "train ridge {data} --target y --model {out}/ridge.model",
        "leaks {data} --target y --regression --limit 1",
        "effect {data} --target y --cause cause",
        "tune ridge {data} --target y --model {out}/tuned.model --space alpha=0.1|1",
        "versus {data} --target class --jobs linear --out {out}/versus",
    ],
)
def test_the_remedy_is_an_option_of_the_command(
    words: str, data: Path, tmp_path: Path, scalable: Run
) -> None:
    typed = words.format(data=data, out=tmp_path).split()
    code, _, err = scalable(*typed)
    assert code == 1
    assert re.search(r"column 'list' .* --exclude list$", err.strip()), err
    _, out, _ = scalable(typed[0], "--help")
    assert "--exclude A,B,..." in out
    if typed[0] in ("leaks", "effect"):
        code, _, err = scalable(*typed, "--exclude", "list")
        assert code == 0, err


def test_a_model_that_does_not_see_it_is_calibrated(data: Path, tmp_path: Path, scalable: Run) -> None:
    model, out = tmp_path / "line.model", tmp_path / "bands.json"
    assert scalable("train", "ridge", data, "--target", "y", "--model", model, "--features", "x")[0] == 0
    more = ("--target", "y", "--out", out, "--check", data, "--by", "class")
    code, text, err = scalable("calibrate", model, data, *more)
    assert code == 0, err
    assert "class=1" in text
    assert json.loads(out.read_text())


def test_serving_says_what_it_needs_before_it_says_that_it_serves(
    data: Path, tmp_path: Path, scalable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def absent(name: str, *more: Any) -> Any:
        return None if name == "httptools" else real(name, *more)

    monkeypatch.setattr("scalable.serve.run.find_spec", absent)
    model = tmp_path / "line.model"
    assert scalable("train", "ridge", data, "--target", "y", "--model", model, "--features", "x")[0] == 0
    code, out, err = scalable("serve", model, "--bind", "127.0.0.1:0")
    assert code == 2
    assert out == ""
    assert err.strip() == "scalable: serving needs httptools: pip install 'scalable-training[serve]'"
