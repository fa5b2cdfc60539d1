"""Sections of unknown shape: units from names, nested rows in tables of their own."""

from __future__ import annotations

from scalable.report.blocks.plain import plain_block


def tables(section):
    """Return {caption: [headings, *rows of texts]} of a section."""
    block = plain_block("some_section", section)
    return {
        table.caption: [table.columns, *([cell.text for cell in row] for row in table.rows)]
        for table in block.tables
    }


def test_single_values_are_listed_with_their_units():
    assert tables({"rows": 5000, "peak_bytes": 2**20, "fit_seconds": 2.5}) == {
        "": [["Entry", "Value"], ["Rows", "5,000"], ["Peak", "1 MiB"], ["Fit time", "2.5 s"]]
    }


def test_mappings_of_mappings_become_rows_and_what_is_within_them_names_its_parent():
    found = tables({"trees": 2, "runs": {
        "ours": {"seconds": 1.0, "ranks": [{"trees": 2, "bytes_sent": 1024}, {"trees": 2, "bytes_sent": 2048}]},
        "plain": {"seconds": 2.0, "ranks": [{"trees": 2, "bytes_sent": 0}]},
    }})  # fmt: skip
    assert found == {
        "": [["Entry", "Value"], ["Trees", "2"]],
        "Runs": [["Entry", "Time"], ["ours", "1 s"], ["plain", "2 s"]],
        "Runs: Ranks": [
            ["Of", "Trees", "Bytes sent"], ["ours", "2", "1 KiB"], ["ours", "2", "2 KiB"], ["plain", "2", "0 B"],
        ],
    }  # fmt: skip


def test_numbers_without_a_unit_have_that_of_what_they_are_in():
    assert tables({"seconds": {"1": {"p10": 0.1, "median": 0.2}, "2": {"p10": 0.05, "median": 0.1}}}) == {
        "Time": [["Entry", "p10", "Median"], ["1", "100 ms", "200 ms"], ["2", "50 ms", "100 ms"]]
    }


def test_mappings_of_the_same_keys_share_a_table():
    assert tables(
        {"all_calls": {"p50_us": 5.0}, "fastest_of_passes": {"p50_us": 4.0}, "other": {"x": 1}}
    ) == {
        "": [["Entry", "p50"], ["All calls", "5 µs"], ["Fastest of passes", "4 µs"]],
        "Other": [["Entry", "Value"], ["X", "1"]],
    }


def test_rows_without_a_name_are_told_apart_by_a_number():
    found = tables([{"hosts": 1, "ranks": [{"rows": 7}]}, {"hosts": 2, "ranks": [{"rows": 3}, {"rows": 4}]}])
    assert found == {
        "": [["Hosts"], ["1"], ["2"]],
        "Ranks": [["Of", "Rows"], ["1 hosts", "7"], ["2 hosts", "3"], ["2 hosts", "4"]],
    }


def test_yes_and_no_are_neither_good_nor_bad_and_what_is_empty_takes_no_column():
    (table,) = plain_block(
        "runs", [{"who": "a", "struck": True, "losses": []}, {"who": "b", "struck": False}]
    ).tables
    assert table.columns == ["Who", "Struck"]
    assert [(row[1].text, row[1].tone) for row in table.rows] == [("yes", ""), ("no", "")]


def test_messages_are_listed_downwards():
    message = "the model has a categorical split, which is not supported"
    found = tables([{"engine": "a", "refused": {message: 3}}, {"engine": "b", "refused": {}}])
    assert found["Refused"] == [["Of", "Entry", "Value"], ["a", message, "3"]]


def test_numbers_keep_the_unit_of_the_mapping_they_stand_in():
    section = {
        "cpu_seconds": {"fill": [0.5, 0.25], "build": 3.0},
        "rows_per_second": {"fill": 2e6, "build": 3.0},
    }
    table = plain_block("boosting", section).tables[0]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["CPU time", "500 ms, 250 ms", "3 s"],
        ["Rows / s", "2M", "3"],
    ]


def test_long_texts_come_last():
    table = plain_block("runs", [{"stage": "a", "command": "run it", "seconds": 1.0, "ns_1e7": 12.0}]).tables[
        0
    ]
    assert table.columns == ["Stage", "Time", "Time 1e7", "Command"]
    assert table.rows[0][2].text == "12 ns"
