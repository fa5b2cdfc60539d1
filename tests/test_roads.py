"""The roads that data take through the house: each room is entered from above, and few are."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.data.source import Source
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.scoring.predict_files import score
from tests.test_imports import RANKS, ROOT


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2_000, 3)).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(np.int64)
    pq.write_table(pa.table({**{f"x{j}": x[:, j] for j in range(3)}, "y": y}), folder / "rows.parquet")
    return ParquetSource(folder / "rows.parquet", target="y")


# `fit` and `_teach` stand there once for all that learns, and call the learner that they are called on: no way up.
FACES = "models/supervised.py", "models/estimator.py"


def walk(work):
    """Return the files in which a source arrives as an argument, and from which file it came each time."""
    home, stops, calls = str(ROOT / "scalable") + "/", [], set()

    def is_stop(code):
        called = code.co_filename.endswith(FACES) and code.co_name in ("fit", "_teach")
        return code.co_filename.startswith(home) and not called

    def watch(frame, event, argument):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(home):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if not any(isinstance(frame.f_locals.get(name), Source) for name in names if name != "self"):
            return
        here, before = code.co_filename[len(home) :], frame.f_back
        while before is not None and not is_stop(before.f_code):
            before = before.f_back
        if not stops or stops[-1] != here:
            stops.append(here)
        if before is not None:
            calls.add((before.f_code.co_filename[len(home) :], here))

    earlier = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(earlier)
    return stops, calls


def rank(file):
    return RANKS[Path(file).parts[0].removesuffix(".py")]


def score_saved(source, out):
    LogisticRegression().fit(source).save(out.with_name("model"))
    score(load_model(out.with_name("model")), source, out)


@pytest.mark.parametrize(
    ("road", "most"),
    [
        (lambda source, out: LogisticRegression().fit(source), 15),
        (lambda source, out: LGBMClassifier(n_estimators=1, n_jobs=1).fit(source), 15),
        (score_saved, 20),
    ],
    ids=["linear", "boosting", "scoring"],
)
def test_a_source_is_handed_down_and_never_up(road, most, source, tmp_path):
    stops, calls = walk(lambda: road(source, tmp_path / "out"))
    assert 3 <= len(stops) <= most, stops
    for before, here in calls:
        assert rank(here) <= rank(before), f"{before} hands a source up to {here}"
