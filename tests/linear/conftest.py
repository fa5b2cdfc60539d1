"""Real datasets beside the project, where they exist."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    candidates = [
        os.environ.get("SCALABLE_SHARED_DATA"),
        Path(__file__).parents[2].parent / "shared" / "data",
    ]
    for candidate in candidates:
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    pytest.skip("the real datasets are not beside the project")
