"""``scalable models ...`` and ``train --register``, as typed."""

import json

import pytest


@pytest.fixture
def registered(scalable, toy, tmp_path):
    """A registry of two versions that training recorded, and its directory."""
    place = tmp_path / "registry"
    for k, alpha in enumerate((0.001, 100.0)):
        done = scalable(
            "train", "ridge", toy, "--target", "amount", "--features", "x,city", "--model", tmp_path / f"m{k}",
            "--alpha", alpha, "--register", "amount", "--registry", place, "--valid", toy / "part-1.parquet",
        )  # fmt: skip
        assert done.code == 0, done.err
        assert f"amount {k + 1} is " in done.out
    return place


def run(scalable, place, *words):
    return scalable("models", *words, "--registry", place)


def test_a_version_is_shown_compared_promoted_and_rolled_back(scalable, registered, tmp_path, toy):
    listed = run(scalable, registered, "list")
    assert listed.out.splitlines()[1].split() == ["amount", "2"]
    shown = run(scalable, registered, "show", "amount", "1", "--json", tmp_path / "show.json")
    assert shown.code == 0, shown.err
    entry = json.loads((tmp_path / "show.json").read_text())["sections"]["entry"]
    assert entry["parameters"]["learner"] == "ridge"
    assert entry["metrics"]["r2"] > 0.8
    assert set(entry["data"]["parts"]) >= {"files", "roles"}
    assert entry["environment"]["versions"]["numpy"]
    compared = run(scalable, registered, "compare", "amount", "1", "2")
    assert "parameters" in compared.out
    assert "data: the same" in compared.out
    for version in ("1", "2"):
        assert run(scalable, registered, "promote", "amount", version).code == 0
    assert (
        "amount@production is version 1 again, was 2" in run(scalable, registered, "rollback", "amount").out
    )
    evaluated = scalable("evaluate", f"registry:{registered}/amount@production", toy, "--target", "amount")
    assert evaluated.code == 0, evaluated.err
    assert run(scalable, registered, "rollback", "amount").code == 2


def test_versions_are_chosen_added_and_pruned(scalable, registered, tmp_path):
    added = run(
        scalable, registered, "add", "amount", tmp_path / "m0", "--metric", "r2=0.1", "--tag", "team=risk", "--parent",
        "amount@1", "--note", "by hand",
    )  # fmt: skip
    assert added.code == 0, added.err
    none = run(scalable, registered, "add", "amount", tmp_path / "m0", "--parent", "amount@77")
    assert none.code == 1
    assert "'amount' has no version 77" in none.err
    twice = run(
        scalable, registered, "add", "amount", tmp_path / "m0", "--metric", "r2=1", "--metric", "r2=2"
    )
    assert twice.code == 2
    assert "'r2' twice" in twice.err
    listed = run(
        scalable,
        registered,
        "list",
        "amount",
        "--where",
        "r2>.5",
        "--sort",
        "-rmse",
        "--json",
        tmp_path / "l",
    )
    assert listed.code == 0, listed.err
    assert {row["number"] for row in json.loads((tmp_path / "l").read_text())["sections"]["versions"]} == {
        1,
        2,
    }
    assert "by hand" in run(scalable, registered, "list", "amount", "--tag", "team=risk").out
    assert (
        "2 versions would lose" in run(scalable, registered, "prune", "amount", "--keep", 1, "--dry-run").out
    )
    assert "2 versions lost" in run(scalable, registered, "prune", "amount", "--keep", 1).out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("list", "amount", "--where", "auk>.5"), 2, "no version has a metric 'auk'"),
        (("list", "amount", "--where", "r2"), 2, "is no condition"),
        (("list", "--where", "r2>1"), 2, "give NAME too"),
        (("show", "nothing"), 1, "there is amount"),
        (("show", "amount", "9"), 1, "no version 9"),
        (("promote", "amount", "1", "--alias", "7"), 2, "cannot name an alias"),
        (("add", "amount", "nowhere"), 1, "not a saved model"),
        (("add", "amount", "nowhere", "--tag", "x"), 1, "not a saved model"),
    ],
)
def test_what_is_off_is_one_line(scalable, registered, words, code, said):
    done = run(scalable, registered, *words)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
