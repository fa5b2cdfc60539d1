"""Every answer has all its parts, its sentences are carried by its numbers, and its claim holds in quick."""

import json
import re
import sys

import numpy as np
import pytest

from bench.answers import pages
from bench.answers.answer import HERE, SECTIONS, find, ids
from bench.answers.run import main, run
from scalable.cli import main as cli
from scalable.errors import UsageError
from scalable.report.document import plain
from scalable.report.results import read_results

ROOT = pages.ROOT
ALL = ids()
DRAWN = np.random.default_rng(len(ALL)).choice(ALL, min(3, len(ALL)), replace=False).tolist()
FIELD = re.compile(r"\{(\w+)")


def check(result):
    assert result["holds"], result
    assert 3 <= len(result["answer"]) <= 8, result["answer"]
    json.dumps(result, allow_nan=False)
    assert pages.figure(find(result["id"]), result["found"]).axes


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_answer_holds_in_quick(name):
    check(run(find(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_answer_holds_in_quick(name):
    check(run(find(name)))


@pytest.mark.parametrize("name", ALL)
def test_an_answer_has_all_its_parts(name):
    answer = find(name)
    assert answer.question.endswith("?")
    assert answer.claim.endswith(".")
    assert 0 < answer.quick <= answer.standard
    assert FIELD.search(answer.text), "an answer without a number of its own"
    assert answer.links
    for link in answer.links:
        assert (ROOT / link).exists(), link
    assert len(answer.path.read_text().splitlines()) <= 120


def test_sections_hold_the_files():
    assert {path.parent.name for path in HERE.glob("*/*.py")} == set(SECTIONS)
    assert len(set(ALL)) == len(ALL)


def test_pages_are_those_of_the_record(tmp_path):
    if not (ROOT / pages.RECORD).exists():
        pytest.skip("no answers are recorded yet")
    results = read_results(ROOT / pages.RECORD)["sections"]["answers"]
    folder = ROOT / pages.FOLDER
    for name, result in results.items():
        assert result["answer"] == find(name).sentences(result["found"]), f"{name}: record it again"
        assert (folder / f"{name}.md").read_text() == pages.page(find(name), result)
        assert result["holds"] == find(name).holds(result["found"])
    assert (folder / "README.md").read_text() == pages.table(results)


def test_a_record_keeps_the_others(tmp_path):
    file = tmp_path / "answers.json"
    main(["reg-sparsity", "--quick", "--out", str(file)])
    main(["met-auc", "--quick", "--out", str(file)])
    assert set(read_results(file)["sections"]["answers"]) == {"reg-sparsity", "met-auc"}


def test_the_command_tells_and_ends_with_one_when_the_claim_fails(monkeypatch, capsys):
    def answer(*words):
        monkeypatch.setattr(sys, "argv", ["scalable", "answer", *words])
        try:
            code = cli()
        except SystemExit as end:
            code = end.code
        return int(code or 0), capsys.readouterr().out

    code, listed = answer("--list")
    assert (code, [line.split()[0] for line in listed.splitlines()]) == (0, ALL)
    code, told = answer("reg-sparsity", "--json", "-")
    assert code == 0
    assert json.loads(told)["sections"]["answer"]["holds"] is True
    monkeypatch.setattr("bench.answers.linear_models.reg_sparsity.holds", lambda found: False)
    assert answer("reg-sparsity")[0] == 1
    assert answer()[0] == answer("reg-mle", "--list")[0] == 2


def test_an_unknown_id_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'met-auc'"):
        find("met-auk")


def test_a_number_that_json_lacks_is_no_result():
    assert plain({"x": float("nan")}) == {"x": None}
