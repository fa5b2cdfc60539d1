import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.errors import UsageError

PARAMS = {
    "num_iterations": 6,
    "num_leaves": 15,
    "max_bin": 63,  # not LightGBM's own, which a file is read with unless told
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 5.0,
}


def write(path, n=3000, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b", "c"], n)
    flag = rng.random(n) < 0.02
    x = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    y = np.nan_to_num(x) + (kind == "b") + 3 * flag + rng.normal(size=n) > 0.5
    weight = rng.uniform(0.5, 2, n)
    pq.write_table(
        pa.table({"x": x, "kind": kind, "flag": flag, "w": weight, "y": y}), path, row_group_size=500
    )
    return ParquetSource(path, target="y", weight="w")


def fit(team, source, cache, **options):
    alone = len(team.places) == 1
    options = Options(cache=cache, **options)
    return train_on(team, PARAMS, source, classify=True, options=options, in_process=alone)


def words(fitted):
    return [worker["cache"] for worker in fitted.stats["workers"]]


@pytest.mark.parametrize("n_workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_dataset_read_back_trains_the_same_model(local_team, tmp_path, n_workers):
    source, valid = write(tmp_path / "rows.parquet"), write(tmp_path / "held.parquet", 700, 1)
    place = str(tmp_path / "cache")
    first = fit(local_team(n_workers), source, place, valid=valid)
    again = fit(local_team(n_workers), source, place, valid=valid)
    plain = fit(local_team(n_workers), source, None, valid=valid)
    assert words(first) == [{"train": "filled", "valid": "filled"}] * n_workers
    assert words(again) == [{"train": "reloaded", "valid": "reloaded"}] * n_workers
    assert first.booster.model_to_string() == again.booster.model_to_string()
    assert plain.booster.model_to_string() == again.booster.model_to_string()
    assert first.history == again.history


def flip(place):
    data = bytearray((place / "dataset.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (place / "dataset.bin").write_bytes(data)


def cut(place):
    """Truncate the file and its checksum with it, as a full disk might."""
    data = (place / "dataset.bin").read_bytes()[:-100]
    (place / "dataset.bin").write_bytes(data)
    document = json.loads((place / "cache.json").read_text())
    document["sha256"] = hashlib.sha256(data).hexdigest()
    (place / "cache.json").write_text(json.dumps(document))


def garble(place):
    (place / "cache.json").write_text("{")


def age(place):
    document = json.loads((place / "cache.json").read_text())
    (place / "cache.json").write_text(json.dumps({**document, "lightgbm": "3.0"}))


def replace_rows(place):
    write(place.parents[1] / "rows.parquet", seed=5)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (flip, "the checksum of dataset.bin differs"),
        (cut, "LightGBM cannot read it"),
        (garble, "cache.json cannot be read"),
        (age, "written by LightGBM 3.0"),
        (replace_rows, r"of other rows, columns or bins \(file .*rows.parquet changed since"),
    ],
)
def test_what_is_damaged_or_stale_is_named_and_made_again(local_team, tmp_path, harm, named):
    path, team = tmp_path / "rows.parquet", local_team(1)
    place = str(tmp_path / "cache")
    fit(team, write(path), place)
    harm(tmp_path / "cache" / "train-0-of-1")
    source = ParquetSource(path, target="y", weight="w")
    with pytest.warns(UserWarning, match=named):
        harmed = fit(team, source, place)
    again = fit(team, source, place)
    assert words(again) == [{"train": "reloaded"}]
    plain = fit(team, source, None).booster.model_to_string()
    assert harmed.booster.model_to_string() == again.booster.model_to_string() == plain


def test_a_cache_that_cannot_be_written_does_not_fail_the_fit(local_team, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not kept"):
        fitted = fit(local_team(1), write(tmp_path / "rows.parquet"), str(tmp_path / "file" / "cache"))
    assert fitted.booster.num_trees() == 6


def test_rotation_and_tables_have_no_cache(local_team, tmp_path):
    source = write(tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="rotation fills many"):
        train_on(local_team(1), {"boosting": "rotate"}, source, classify=True, options=Options(cache="c"))
