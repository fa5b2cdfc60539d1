"""Sections as tables and figures."""

from __future__ import annotations

import pytest

from scalable.evaluate import evaluate_predictions
from scalable.report.blocks import BLOCKS, build_blocks
from scalable.report.blocks.scaling import across
from scalable.report.cards import summary_cards
from scalable.report.figures.style import Palette
from scalable.report.sections import BAYES


def build(name, section):
    return BLOCKS[name](section, Palette())


def column(table, heading):
    place = table.columns.index(heading)
    return [row[place] for row in table.rows]


def test_blocks_come_in_the_order_of_a_page_and_unknown_ones_last(quickstart, versus):
    sections = {"zebra": [{"a": 1}], **versus["sections"], **quickstart["sections"]}
    names = [block.key for block in build_blocks(sections, Palette())]
    assert names == ["dataset", "stages", "quality", "latency", "peers", "scaling", "waterfall", "zebra"]


def test_a_section_of_another_shape_says_so():
    block = build_blocks({"stages": [{"seconds": "long"}]}, Palette())[0]
    assert "not of the shape that “stages” has" in block.notes[-1]
    assert column(block.tables[0], "Time")[0].text == "long"


def test_rows_per_second_are_worked_out_where_missing():
    table = build("stages", [{"name": "train", "seconds": 2.0, "rows": 10}]).tables[0]
    assert column(table, "Rows / s")[0].sort == 5.0
    assert "Peak memory" not in table.columns  # nothing known, no column


def test_one_stage_is_a_row_and_not_three_pictures_of_a_bar():
    stage = {"name": "train", "seconds": 2.0, "rows": 10, "peak_memory_bytes": 2**20}
    assert not build("stages", [stage]).pictures
    assert len(build("stages", [stage, {**stage, "name": "evaluate"}]).pictures) == 3


def test_quality_without_a_reference_has_no_distances():
    rows = [{"model": "m", "auc": 0.8}]
    assert column(build("quality", rows).tables[0], "AUC")[0].under == ""
    rows.append({"model": BAYES, "auc": 0.9})
    assert column(build("quality", rows).tables[0], "AUC")[0].under == "−0.10000"


def test_the_curve_of_the_best_possible_is_spoken_of_where_it_is_drawn():
    rows = [{"model": "m", "auc": 0.8, "roc": [[0.0, 0.0], [0.5, 0.9], [1.0, 1.0]]}]
    (alone,) = build("quality", rows).pictures
    assert alone.caption.endswith("the diagonal knows nothing.")
    (both,) = build("quality", [*rows, {**rows[0], "model": BAYES}]).pictures
    assert both.caption.endswith("the dashed curve is the best possible.")


def test_models_of_several_sizes_are_held_against_the_best_of_their_own():
    rows = [
        {"model": "m", "size": 10, "auc": 0.8},
        {"model": BAYES, "size": 10, "auc": 0.9},
        {"model": "m", "size": 99, "auc": 0.85},
        {"model": BAYES, "size": 99, "auc": 0.95},
    ]
    table = build("quality", rows).tables[0]
    assert [cell.under for cell in column(table, "AUC")] == ["−0.10000", "", "−0.10000", ""]
    assert [cell.text for cell in column(table, "Size")] == ["10", "10", "99", "99"]
    best = next(card for card in summary_cards({"quality": rows}) if card.label == "Best AUC")
    assert best.detail == "m; best possible 0.95000"


def test_contenders_say_what_to_know_and_how_to_repeat_them():
    rows = [
        {
            "job": "linear",
            "peer": f"p{n}",
            "status": "ok",
            "seconds": 1.0 + n,
            "note": "two passes",
            "command": f"run {n}",
        }
        for n in range(10)
    ] + [{"job": "linear", "peer": "gone", "status": "absent", "message": "no module"}]
    block = build("peers", rows)
    measured, how = block.tables
    assert [cell.text for cell in column(measured, "Status")] == ["ok"] * 10 + ["absent"]
    assert "Command" not in measured.columns  # so long that it would hide the numbers
    assert [cell.text for cell in column(how, "Command")][:2] == ["run 0", "run 1"]
    assert column(how, "What to know")[0].text == "two passes"
    assert block.notes == ["linear, gone: absent. no module"]


def test_few_calls_tell_no_far_quantiles():
    row = {
        "engine": "e",
        "batch": 1,
        "p50_us": 5.0,
        "p90_us": 6.0,
        "p99_us": 7.0,
        "command": "run e",
        "load_seconds": 2.0,
    }
    few, once = build("latency", {"1": [{**row, "calls": 9}]}).tables
    assert {"p50", "p90", "p99"} & set(few.columns) == {"p50"}
    assert [cell.text for cell in once.rows[0]] == ["e", "2 s", "run e"]
    many, _ = build("latency", {"1": [{**row, "calls": 200}]}).tables
    assert {"p50", "p90", "p99"} <= set(many.columns)


@pytest.mark.parametrize(
    ("truth", "value", "detail"),
    [
        (0.83, "0.83000", "expected before labels"),
        ({"expected": 0.83, "realised": 0.84, "se": 0.1}, "0.83000", "0.84000 on these"),
    ],
)
def test_the_best_possible_is_a_number_or_what_the_generator_knows(truth, value, detail):
    cards = build("dataset", {"name": "fraud", "rows": 10, "truth": {"auc": truth, "rows": 10}}).cards
    card = next(card for card in cards if card.label == "Best possible AUC")
    assert card.value == value
    assert detail in card.detail


def test_each_class_has_its_row():
    report = evaluate_predictions([0, 1, 1], [[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]], kind="multiclass")
    block = build("quality", [{"model": "m", **report}])
    assert [cell.text for cell in column(block.tables[1], "Recall")] == ["1.00000", "0.50000"]
    assert column(block.tables[0], "Accuracy")[0].sort == pytest.approx(2 / 3)
    assert [picture.title for picture in block.pictures] == ["m: confusion"]
    assert "class 1: 50.0% recognised" in block.pictures[0].svg
    named = build("quality", [{"model": "m", "class_names": ["no", "yes"], **report}])
    assert [cell.text for cell in column(named.tables[1], "Class")] == ["no", "yes"]


def test_peers_show_failures_as_failures(versus):
    block = build("peers", versus["sections"]["peers"])
    status = {
        row[0].text: (cell.text, cell.tone)
        for row, cell in zip(block.tables[0].rows, column(block.tables[0], "Status"), strict=True)
    }
    assert status["broken"] == ("failed", "bad")
    assert status["lbfgs"] == ("ok", "good")
    assert any("broken: failed. " in note and "no-such-solver" in note for note in block.notes)
    assert [picture.title for picture in block.pictures] == [
        "Time: linear",
        "AUC against time: linear",
        "Peak memory: linear",
    ]


def test_scaling_draws_only_what_varies(versus):
    rows = versus["sections"]["scaling"]
    titles = [picture.title for picture in build("scaling", rows).pictures]
    assert titles == ["Cost of a row as data grows", "Memory as data grows"]
    rows = [{"job": "train", "rows": 100, "workers": w, "seconds": 4.0 / w} for w in (1, 2)]
    block = build("scaling", rows)
    assert [picture.title for picture in block.pictures] == ["Speed-up with workers"]
    assert "2× at 2" in block.pictures[0].svg


def document(rows, seconds, cpu="a", name="fraud"):
    stages = [{"name": "train", "rows": rows, "seconds": seconds}]
    sections = {"dataset": {"name": name, "rows": rows}, "stages": stages}
    return {"kind": "billion", "machine": {"cpu": cpu, "cores": 2}, "sections": sections}


def test_equal_stages_at_several_sizes_are_put_together():
    rows = across([document(10**7, 1.0), document(10**8, 10.0)])
    assert [(row["job"], row["rows"], row["seconds"]) for row in rows] == [
        ("train", 10**7, 1.0),
        ("train", 10**8, 10.0),
    ]


@pytest.mark.parametrize(
    "others",
    [[], [document(10**7, 2.0)], [document(10**8, 2.0, cpu="b")], [document(10**8, 2.0, name="clicks")]],
)
def test_unlike_runs_are_not_put_together(others):
    assert across([document(10**7, 1.0), *others]) == []


def test_cards_tell_the_headlines(quickstart):
    cards = {card.label: card for card in summary_cards(quickstart["sections"])}
    assert cards["Train logistic"].value.endswith("rows/s")
    best = max(row["auc"] for row in quickstart["sections"]["quality"] if row["model"] != BAYES)
    assert cards["Best AUC"].value == f"{best:.5f}"
    assert "Predictions bit for bit" in cards


def test_latency_says_what_was_measured_and_why_engines_are_absent():
    row = {
        "engine": "ours",
        "batch": 1,
        "p50_us": 4.0,
        "clock_overhead_us": 0.1,
        "model": {"trees": 5, "leaves": 1000},
    }
    away = {"engine": "theirs", "batch": 1, "status": "absent", "message": "not installed"}
    block = build("latency", {"1": [row, away], "1000": [{**row, "batch": 1000, "p50_us": 500.0}]})
    assert block.notes == [
        "Model: 5 trees, 1,000 leaves.",
        "Every call includes 100 ns of reading the clock.",
        "theirs: absent. not installed",
    ]
    assert [picture.title for picture in block.pictures] == ["Throughput against batch size"]
    assert "250k at 1, 2M at 1k" in block.pictures[0].svg


def test_a_handful_of_calls_is_no_distribution():
    quantiles = [[0.0, 1.0], [1.0, 2.0]]
    row = {"engine": "ours", "batch": 1, "p50_us": 1.0, "quantiles_us": quantiles, "calls": 5}
    assert build("latency", {"1": [row]}).pictures == []
    assert len(build("latency", {"1": [{**row, "calls": 500}]}).pictures) == 1


def test_the_headline_of_latency_is_ours():
    rows = [
        {"engine": "Booster.predict", "batch": 1, "p50_us": 40.0},
        {"engine": "scalable", "batch": 1, "p50_us": 10.0},
        {"engine": "other", "batch": 1, "p50_us": 5.0},
    ]
    card = next(card for card in summary_cards({"latency": {"1": rows}}) if "prediction" in card.label)
    assert (card.value, card.detail) == ("10 µs", "scalable, 4× faster")


def test_a_difference_of_bits_is_bad_news():
    latency = {"1": [{"engine": "e", "batch": 1, "p50_us": 1.0, "bit_equal": False}]}
    card = next(card for card in summary_cards({"latency": latency}) if "bit" in card.label)
    assert (card.value, card.tone) == ("0 of 1", "bad")
