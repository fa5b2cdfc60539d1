"""The documented shapes are those that the page knows."""

from __future__ import annotations

from pathlib import Path

from scalable.report import sections
from scalable.report.blocks import BLOCKS
from scalable.report.blocks.quality import METRICS
from scalable.report.sections import KNOWN

DOCUMENT = Path(__file__).parents[2] / "docs" / "results" / "README.md"


def test_every_known_section_is_described():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in KNOWN:
        assert f"\n| `{name}` |" in text, name


def test_known_sections_are_those_the_page_draws():
    assert set(KNOWN) == {*BLOCKS, "notes"}


def test_typed_keys_are_documented_ones():
    text = DOCUMENT.read_text(encoding="utf-8")
    for shape in (
        sections.Dataset,
        sections.Stage,
        sections.Latency,
        sections.Peer,
        sections.Scaling,
        sections.Step,
    ):
        for key in shape.__annotations__:
            assert key in text, (shape.__name__, key)


def test_metrics_shown_are_metrics_computed(quickstart):
    binary = set(quickstart["sections"]["quality"][0])
    assert {"auc", "average_precision", "log_loss", "brier", "calibration_error", "ks"} <= binary & set(
        METRICS
    )
