"""What commands write has the permissions that the user's umask leaves, wherever it lies."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_every_file_and_directory(umask: int, scalable: Run, toy: Path, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        for words in (
            ("generate", "mixture", "--rows", 2000, "--out", "made"),
            ("describe", toy, "--out", "described.html"),
            ("train", "logistic", toy, "--target", "label", "--model", "linear"),
            ("train", "lightgbm", toy, "--target", "label", "--model", "forest", "--n-estimators", 2),
            ("evaluate", "forest", toy, "--target", "label", "--json", "e.json"),
            ("report", "e.json", "--out", "evaluated.html"),
            ("predict", "linear", toy, "--out", "scored"),
            ("models", "add", "m", "linear", "--registry", "registry"),
        ):  # fmt: skip
            outcome = scalable(*(tmp_path / w if w in OUTPUTS else w for w in words))
            assert outcome.code == 0, outcome.err
    finally:
        os.umask(before)
    found = {
        path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
        if not path.is_symlink()
    }
    expected = {path: (0o777 if (tmp_path / path).is_dir() else 0o666) & ~umask for path in found}
    assert found == expected
    assert len(found) > 20


OUTPUTS = (
    "made", "described.html", "linear", "forest", "e.json", "evaluated.html", "scored", "registry",
)  # fmt: skip
