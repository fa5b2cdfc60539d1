"""``scalable features``: what it prints, what it refuses, how it ends."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.feature_store.examples import random_events, random_keys, write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    write(tmp_path, random_events(rng, 200, 5))
    pq.write_table(random_keys(rng, 40, 5), tmp_path / "keys.parquet")
    pq.write_table(random_events(rng, 40, 5), tmp_path / "more.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_definitions_to_a_checked_training_set(folder, scalable):
    code, out, _ = scalable("features", "list", "features.toml", "--json", "list.json")
    assert code == 0
    assert "pay_amount_sum_2h" in out
    assert len(json.loads((folder / "list.json").read_text())["sections"]["features"]) == out.count(
        "by customer"
    )
    code, out, _ = scalable("features", "join", "features.toml", "keys.parquet", "--out", "training")
    assert code == 0
    assert "training: 40 rows" in out
    assert "created late" in out
    code, out, _ = scalable("features", "check", "features.toml", "training")
    assert (code, out.count("\n")) == (0, 1)
    code, _, err = scalable("features", "join", "features.toml", "keys.parquet", "--out", "training")
    assert (code, "pass --resume" in err) == (2, True)


def test_a_leak_ends_with_three(folder, scalable):
    text = (folder / "features.toml").read_text()
    (folder / "careless.toml").write_text(text.replace('created_time = "created"\n', ""))
    scalable("features", "join", "careless.toml", "keys.parquet", "--out", "leaky", "--quiet")
    code, out, _ = scalable("features", "check", "features.toml", "leaky", "--json", "leaks.json")
    assert code == 3
    assert "pay_count_400d: " in out
    assert "hold what became known later, up to " in out
    findings = json.loads((folder / "leaks.json").read_text())["sections"]["findings"]
    assert any(finding["leaked"] for finding in findings)


def test_a_store_is_filled_and_asked(folder, scalable):
    code, out, _ = scalable(
        "features", "materialize", "features.toml", "--store", "store", "--from", "1970-01-01"
    )
    assert code == 0
    assert "of 5 entities" in out
    before = scalable(
        "features", "lookup", "features.toml", "customer=1", "--store", "store", "--at", "1970-01-02"
    ).out
    code, out, _ = scalable(
        "features", "push", "features.toml", "pay", "more.parquet", "--store", "store", "--now", "1970-01-01"
    )
    assert code == 0
    assert out.startswith("pay: ")
    after = scalable(
        "features", "lookup", "features.toml", "customer=1", "--store", "store", "--at", "1970-01-02"
    ).out
    assert before != after
    assert before.count("\n") == after.count("\n")
    now = ("features.toml", "customer=1", "--store", "store", "--at", "1970-01-01T12:00:00")
    lines = scalable("features", "lookup", *now).out.splitlines()
    assert any(re.fullmatch(r"pay_time_since_last +[\d.]+ s", line) for line in lines)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["lookup", "features.toml", "customer=1", "--store", "none"], 1, "is no online store"),
        (["lookup", "features.toml", "customer", "--store", "none"], 2, "is not COLUMN=VALUE"),
        (["join", "none.toml", "keys.parquet", "--out", "x"], 1, "none.toml: cannot be read"),
        (["join", "features.toml", "keys.parquet", "--out", "x", "--closed", "both"], 2, "closed='both'"),
        (["join", "features.toml", "keys.parquet", "--out", "x", "--time", "tim"], 1, "did you mean 'time'"),
        (["materialize", "features.toml", "--store", "s", "--from", "monday"], 2, "'monday' is no time"),
        (["push", "features.toml", "pya", "more.parquet", "--store", "s"], 1, "there is no view 'pya'"),
    ],
)
def test_what_is_off_is_one_line(folder, scalable, options, code, message):
    found, _, err = scalable("features", *options)
    assert found == code
    assert message in err


def test_a_store_needs_definitions_in_the_server(folder, scalable):
    code, _, err = scalable("serve", "model", "--store", "store")
    assert code == 2
    assert "--features and --store go together" in err


def test_changes_are_told(folder, scalable):
    (folder / "new.toml").write_text((folder / "features.toml").read_text().replace('"3h"', '"4h"'))
    out = scalable("features", "list", "new.toml", "--since", "features.toml").out
    assert "+ pay_n_sum_4h" in out
    assert "- pay_n_sum_3h" in out
    assert scalable("features", "list", "new.toml", "--since", "new.toml").out == "nothing changed\n"
