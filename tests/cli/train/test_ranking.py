"""Training and evaluating rankers on the command line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PLAIN = ["--n-estimators", "5", "--num-threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 30, 200)
    n = int(sizes.sum())
    x = rng.normal(size=n)
    y = np.clip(np.round(x + rng.normal(size=n)), 0, 3).astype(int)
    columns = {"x": x, "z": rng.normal(size=n), "y": y, "q": np.repeat(np.arange(200), sizes)}
    place = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(pa.table(columns), place, row_group_size=500)
    return str(place)


def test_a_ranker_is_trained_and_evaluated(rows, tmp_path, scalable):
    given = [rows, "--target", "y", "--group", "q"]
    words = ["--model", tmp_path / "m", "--valid", rows, *PLAIN, "--objective", "rank_xendcg"]
    assert scalable("train", "lightgbm", *given, *words, "--json", tmp_path / "t.json").code == 0
    told = json.loads((tmp_path / "t.json").read_text())["sections"]
    assert told["model"]["task"] == "ranking"
    assert len(told["model"]["columns"]) == 2
    found = scalable("evaluate", tmp_path / "m", *given, "--json", tmp_path / "e.json")
    assert found.code == 0
    assert "random order" in found.out
    model, chance = json.loads((tmp_path / "e.json").read_text())["sections"]["quality"]
    assert model["queries"] == 200
    assert chance["ndcg_5"] + 0.1 < model["ndcg_5"] < 1
    assert told["quality"][0]["ndcg_5"] == model["ndcg_5"]
    assert 0 < model["map_10"] < 1
    bare = scalable("evaluate", tmp_path / "m", *given[:3])  # had an R² of scores that only order rows
    assert (bare.code, "name their column by --group" in bare.err) == (2, True)
    held = scalable("calibrate", tmp_path / "m", *given[:3])
    assert (held.code, "a label says nothing of their size" in held.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "lightgbm", "{}", "--target", "y", "--objective", "lambdarank"],
            "name their column by --group",
        ),
        (["train", "ridge", "{}", "--target", "y", "--group", "q"], "--group is for learners that rank"),
        (
            [
                "train",
                "lightgbm",
                "{}",
                "--target",
                "y",
                "--group",
                "x",
                "--engine",
                "native",
                "--boosting",
                "dart",
            ],
            "does not do boosting",
        ),
    ],
    ids=["no group", "no ranker", "native"],
)
def test_what_cannot_be_ranked_is_refused(rows, tmp_path, scalable, words, said):
    found = scalable(*(word.format(rows) for word in words), "--model", tmp_path / "m")
    assert found.code in (1, 2)
    assert said in " ".join(found.err.replace("│", " ").split())
