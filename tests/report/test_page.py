"""The HTML page: complete, self-contained, well-formed, safe, and forgiving."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest

from scalable.errors import UsageError
from scalable.report.page import render, write_report
from scalable.report.sections import BAYES

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "rect", "circle", "line"}


class Checker(HTMLParser):
    """Checks nesting and gathers attributes, ids and visible text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.attributes, self.text, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data):
        if not (self.open and self.open[-1] in {"style", "script"}):
            self.text.append(data)


def parse(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page(quickstart):
    return render([quickstart])


def test_nests_and_has_unique_ids(page):
    checker = parse(page)
    assert len(checker.ids) == len(set(checker.ids))
    for _, name, value in checker.attributes:
        if name == "href" and value.startswith("#"):
            assert value[1:] in checker.ids, value
        if name == "aria-labelledby":
            assert set(value.split()) <= set(checker.ids)
        for target in re.findall(r"url\(#([^)]+)\)", value):
            assert target in checker.ids, target


def test_nothing_is_fetched_from_anywhere(page):
    assert not re.search(
        r"https?:|//[a-z0-9-]+\.|@import|\bsrc=|fetch\(|XMLHttp|data:(?!,)", page, flags=re.I
    )


def test_shows_every_number_of_the_tables(page, quickstart):
    text = " ".join(" ".join(parse(page).text).split())
    for row in quickstart["sections"]["quality"]:
        for metric in ("auc", "average_precision", "log_loss", "brier", "calibration_error"):
            assert f"{row[metric]:.5f}" in text, (row["model"], metric)
    for stage in quickstart["sections"]["stages"]:
        assert stage["name"] in text
    assert quickstart["command"] in text
    assert quickstart["machine"]["cpu"] in text
    assert quickstart["versions"]["numpy"] in text


def test_distance_to_the_best_possible_is_shown(page, quickstart):
    rows = {row["model"]: row for row in quickstart["sections"]["quality"]}
    gap = rows["logistic"]["auc"] - rows[BAYES]["auc"]
    assert f"{gap:+.5f}".replace("-", "−") in page


def test_every_figure_is_described(page):
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert (
        len(figures) == 11
    )  # 3 of stages, 3 of quality; distributions and speed-ups of 2 batch sizes, and both
    for figure in figures:
        assert 'role="img"' in figure
        assert re.search(r"<title id=[^>]*>[^<]+</title><desc id=[^>]*>[^<]+</desc>", figure)
        assert not re.search(r"#0a0[bc]", figure)  # all placeholder colours have become variables


def test_same_results_give_the_same_page(page, quickstart):
    assert render([quickstart]) == page


def test_several_results_share_a_page(quickstart):
    second = copy.deepcopy(quickstart)
    second["kind"] = "evaluate"
    second["sections"] = {"quality": second["sections"]["quality"][:1]}
    checker = parse(render([quickstart, second], title="Two runs"))
    assert checker.tags.count("article") == 2
    assert len(checker.ids) == len(set(checker.ids))
    assert "Two runs" in checker.text


def test_runs_of_one_kind_are_told_apart_by_their_files(quickstart):
    small = {**quickstart, "sections": {"dataset": {"name": "small", "rows": 9}}}
    two = render([small, small], names=["laptop", "quickstart_server"])
    text = " ".join(parse(two).text)
    assert "Quickstart: small: laptop" in text  # the kind, the dataset, the file
    assert "Quickstart: small: quickstart server" in text
    kinds = [{**small, "kind": kind} for kind in ("one_kind", "two", "three", "four")]
    assert "One kind and two" in parse(render(kinds[:2])).text
    assert "4 results" in parse(render(kinds)).text
    assert 'href="#run1-dataset"' in two
    assert 'href="#run1-dataset"' not in render([*kinds, small])  # so many would not fit a line


def test_all_kinds_share_a_page(quickstart, versus):
    smaller = copy.deepcopy(quickstart)
    for stage in smaller["sections"]["stages"]:
        stage["rows"] //= 10
    page = render([quickstart, versus, smaller])
    checker = parse(page)
    assert len(checker.ids) == len(set(checker.ids))
    assert "Across runs" in checker.text
    assert checker.tags.count("article") == 4


def test_unknown_sections_become_tables(quickstart):
    document = {**quickstart, "sections": {
        "rare_rows": [{"colour": "red", "grams": 1.25}, {"colour": "blue", "litres": 3}],
        "facts": {"answer": 42, "inner": [{"deep": "value"}]},
        "remarks": ["as seen on Tuesday"],
        "single": 7.5,
    }}  # fmt: skip
    text = " ".join(parse(render([document])).text)
    for word in ("Rare rows", "red", "1.25", "Litres", "42", "Deep", "value", "Tuesday", "7.5"):
        assert word in text


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"stages": "surprise"},
        {"stages": [{"name": "x"}]},
        {"stages": [{"seconds": 1.0}]},
        {"quality": [{"model": "m"}]},
        {"quality": {"auc": 0.5}},
        {"quality": [{"model": "m", "auc": None, "roc": [], "reliability": []}]},
        {"latency": {"one": []}},
        {"latency": {"1": [{"engine": "e", "batch": 1, "p50_us": 0.0}]}},
        {"latency": {"1": [{"engine": "e", "batch": 1, "status": "absent", "message": "not installed"}]}},
        {"latency": [1, 2]},
        {"dataset": {"rows": 3}},
        {"dataset": "name"},
        {"peers": [{"peer": "x"}]},
        {"scaling": [{"job": "x", "rows": 0, "seconds": 1.0}, {"job": "x", "rows": 1, "seconds": 0.0}]},
        {"waterfall": [{"title": "t", "unit": "s", "steps": []}]},
        {"waterfall": [{"title": "t", "unit": "s", "steps": [{"name": "a", "value": 0.0}]}]},
        {"history": [{"benchmark": "b", "unit": "", "points": []}]},
        {"quality": [{"model": "m", "classes": [{}], "confusion": [[1]]}]},
    ],
)
def test_sections_of_any_shape_never_fail(quickstart, sections):
    parse(render([{**quickstart, "sections": sections}]))


def test_text_from_results_cannot_become_markup(quickstart):
    evil = "<script>alert(1)</script>"
    document = copy.deepcopy(quickstart)
    document["command"] = document["kind"] = evil
    document["sections"]["dataset"]["name"] = evil
    document["sections"]["stages"][0]["name"] = evil
    document["sections"]["quality"][0]["model"] = evil
    document["sections"]["latency"]["1"][0]["engine"] = evil
    document["sections"][evil] = [{evil: evil}]
    page = render([document], title=evil)
    assert page.count("<script>") == 1
    parse(page)


def test_dollar_signs_are_not_mathematics(quickstart):
    document = copy.deepcopy(quickstart)
    document["sections"]["stages"][0]["name"] = "costs $5 and $6_{x}"
    assert "costs $5 and $6_{x}</text>" in render([document])


def test_is_written_whole(tmp_path, quickstart, page):
    write_report(tmp_path / "new" / "report.html", [quickstart])
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == page


def test_no_results_are_refused():
    with pytest.raises(UsageError, match=r"name at least one results\.json"):
        render([])
