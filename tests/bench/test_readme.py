from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import tables
from bench.readme import BLOCK, ROOT, pages, refilled
from bench.tables import inside, rows_of, table
from scalable.report import document, results


def test_readme_shows_the_recorded_run() -> None:
    text = (ROOT / "README.md").read_text()
    assert [found[2] for found in BLOCK.finditer(text)] == ["quickstart"]


def test_every_page_shows_the_recorded_runs() -> None:
    for page in pages():
        assert refilled(page) == page.read_text(), f"{page.name}: run `python -m bench.readme`"


def test_cells_are_shown_in_the_unit_of_their_column() -> None:
    row = {
        "n": 1234567,
        "peak_memory_bytes": 3 << 20,
        "seconds": 0.012345,
        "auc": 0.87651,
        "rate": 123456.7,
        "fast": 1.6097e9,
        "same": True,
    }
    lines = table(
        [row, {"n": 1}],
        ["n=Number_of_rows", "peak_memory_bytes", "seconds", "auc", "rate", "fast", "absent", "same"],
    )
    assert lines.splitlines() == [
        "| Number of rows | peak memory bytes | seconds | auc | rate | fast | absent | same |",
        "|---|---|---|---|---|---|---|---|",
        "| 1,234,567 | 3 MiB | 0.0123 | 0.8765 | 123,457 | 1.61 G |  | yes |",
        "| 1 |  |  |  |  |  |  |  |",
    ]


def test_a_column_may_be_left_out_when_empty() -> None:
    lines = table([{"a": 1}, {"a": 2, "c": 3}], ["a", "b=Beta?", "c=Gamma?", "d"]).splitlines()
    assert lines == ["| a | Gamma | d |", "|---|---|---|", "| 1 |  |  |", "| 2 | 3 |  |"]


def test_nested_sections_are_rows_and_rows_can_be_chosen() -> None:
    record = {
        "runs": {"ours": {"s": {"t": 1.5}, "n": 2}, "the other": {"s": {"t": 2.5}, "n": 3}},
        "steps": [{"a": [7]}],
    }
    lines = table(rows_of(inside(record, "runs")), ["name=who", "s.t=seconds", "?n=3"]).splitlines()
    assert lines == ["| who | seconds |", "|---|---|", "| the other | 2.5 |"]
    assert table(rows_of(inside(record, "runs")), ["name", "?name=the_other"]).splitlines()[2:] == [
        "| the other |"
    ]
    assert table(rows_of(inside(record, "runs")), ["n", "?name~the_o"]).splitlines()[2:] == ["| 3 |"]
    assert table(rows_of(inside(record, "steps")), ["a.0=first", "a.1=none"]).splitlines()[2:] == ["| 7 |  |"]
    with pytest.raises(ValueError, match="NoneType"):
        rows_of(inside(record, "absent.further"))


def test_latency_is_shown_by_engine_beside_the_baseline_of_its_run() -> None:
    def row(engine: str, p50: float, baseline: bool = False) -> dict[str, object]:
        return {"engine": engine, "p50_us": p50, "baseline": baseline, "threads": 1}

    latency = {
        "1": [row("old", 10, True), row("new", 2.5)],
        "100": [row("old", 900, True), {"engine": "absent"}],
    }
    lines = table(rows_of(latency), ["engine", "threads", "1.each=1", "100.each=100"]).splitlines()[2:]
    assert lines == ["| old | 1 | 10 (1.0x) | 9 (1.0x) |", "| new | 1 | 2.5 (4.0x) |  |"]


def test_numbers_in_sentences_are_filled(tmp_path: Path) -> None:
    rows = [{"engine": "old", "p50_us": 9.0}, {"engine": "new one", "p50_us": 4321.0}]
    results.write_results(tmp_path / "r.json", document.new_results("test", {"latency": {"1000": rows}}))
    begin = "<!-- value:r:latency.1000.engine=new_one.p50_us/1000 -->"
    text = f"It took {begin}3<!-- /value --> us, not <!-- value:r:latency.1000.0.p50_us --><!-- /value -->."
    filled = tables.filled(text, tmp_path)
    assert re.sub("<!--.*?-->", "", filled) == "It took 4.32 us, not 9."
    assert tables.filled(filled, tmp_path) == filled
    none = "<!-- table:none:latency engine -->\n| a |\n<!-- /table -->"
    assert tables.filled(none, tmp_path).splitlines()[1] == tables.UNRECORDED
    with pytest.raises(ValueError, match="nothing at"):
        tables.filled("<!-- value:r:latency.7 --><!-- /value -->", tmp_path)


def test_records_are_listed_with_the_load_they_were_made_at(tmp_path: Path) -> None:
    record = {"format": 1, "command": "make it", "created": "2026-11-22T10:00:00+00:00"}
    (tmp_path / "b.json").write_text(
        json.dumps({**record, "machine": {"cpu": "fast", "vectors": "avx2", "load": 0.5}})
    )
    (tmp_path / "a.json").write_text('{"rows": 3}')
    (line,) = tables.listed(tmp_path).splitlines()[2:]
    assert line == "| [b](results/b.json) | `make it` | 2026-11-22 | fast | avx2 | 0.5 |"
    assert tables.filled("<!-- records -->\nold\n<!-- /records -->", tmp_path).splitlines()[-2] == line


def test_no_path_of_a_machine_is_committed() -> None:
    words = ("/work" + "/", "/root" + "/", "/home" + "/")
    for page in [*ROOT.glob("*.md"), *Path(ROOT / "docs").rglob("*.*")]:
        if page.suffix in {".md", ".json", ".jsonl", ".html", ".svg"}:
            text = page.read_text()
            assert not [word for word in words if word in text], page
