"""The summary fits 100 columns and says what the page says."""

from __future__ import annotations

import copy
import io
import re

import pytest
from rich.console import Console

from scalable.report.compare import compare
from scalable.report.terminal import print_comparison, print_summary


def shown(print_it, width=160, **options):
    stream = io.StringIO()
    print_it(Console(file=stream, width=width, **options))
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def test_summary_has_the_numbers_and_fits(quickstart):
    text = shown(lambda console: print_summary(quickstart, console, report="out/report.html"))
    assert max(map(len, text.splitlines())) <= 100
    for row in quickstart["sections"]["quality"]:
        assert row["model"] in text
        assert f"{row['auc']:.5f}" in text
    assert "1,000 rows a call" in text
    assert "speed-up" in text
    assert text.rstrip().endswith("Report: out/report.html")


def test_a_narrow_terminal_is_respected(quickstart):
    text = shown(
        lambda console: print_summary(quickstart, console), width=70, force_terminal=True, color_system=None
    )
    assert max(map(len, text.splitlines())) <= 70


@pytest.mark.parametrize(
    "sections", [{}, {"stages": []}, {"quality": [{"model": "m", "rmse": 2.0}]}, {"other": 3}]
)
def test_absent_sections_are_skipped(quickstart, sections):
    text = shown(lambda console: print_summary({**quickstart, "sections": sections}, console))
    assert ("RMSE" in text.upper()) == ("quality" in sections)


def test_no_line_of_a_pipe_ends_in_blanks_and_no_title_is_broken(quickstart):
    chart = {
        "title": "Microseconds a row, 1,000 rows a call",
        "unit": "us",
        "steps": [{"name": "a", "value": 1.0}],
    }
    sections = {**quickstart["sections"], "waterfall": [chart]}
    text = shown(lambda console: print_summary({**quickstart, "sections": sections}, console))
    assert text.count("\n") > 30
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    assert "Microseconds a row, 1,000 rows a call\n" in text


def test_a_pipe_gets_whole_cells():
    reason = "could not be had because of " + "a very long reason " * 20
    rows = [{"job": "linear", "peer": "p" * 90, "status": "absent", "message": reason}]
    text = shown(lambda console: print_summary({"sections": {"peers": rows}}, console))
    assert "p" * 90 in text
    assert reason.strip() in text
    assert "…" not in text


def test_markup_in_names_is_text(quickstart):
    document = copy.deepcopy(quickstart)
    document["sections"]["stages"][0]["name"] = "[red]odd[/nonsense]"
    assert "[red]odd[/nonsense]" in shown(lambda console: print_summary(document, console))


def test_peers_are_listed_with_their_failures(versus):
    text = shown(lambda console: print_summary(versus, console), force_terminal=True, color_system=None)
    assert "Side by side: linear" in text
    assert "naive Bayes" in text
    assert "broken: " in text
    assert "no-such-solver" in text
    assert max(map(len, text.splitlines())) <= 100


def test_comparison_shows_changes_and_warnings(quickstart):
    other = copy.deepcopy(quickstart)
    other["machine"]["cpu"] = "another"
    other["sections"]["stages"][0]["seconds"] *= 3
    text = shown(lambda console: print_comparison(compare(quickstart, other, force=True), console))
    assert "differs" in text
    assert "generate seconds" in text
    assert "worse" in text
    assert "train logistic seconds" not in text  # unchanged
