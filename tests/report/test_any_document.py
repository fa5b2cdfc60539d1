"""A document of somebody else, whatever is in its sections, becomes a page and a summary."""

from __future__ import annotations

import io
import math

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from scalable.report.page import render
from scalable.report.sections import KNOWN
from scalable.report.terminal import print_summary

MEASURES = [
    "seconds",
    "auc",
    "roc",
    "pr",
    "reliability",
    "predicted",
    "observed",
    "weight",
    "p50_us",
    "quantiles_us",
]
PARTS = [
    "steps",
    "value",
    "points",
    "date",
    "commit",
    "classes",
    "confusion",
    "quality",
    "truth",
    "rows",
    "batch",
]
WORDS = ["name", "model", "job", "peer", "engine", "title", "unit", "benchmark", "status", "message"]
KEYS = [*MEASURES, *PARTS, *WORDS]

scalars = (
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False) | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=10,
)
rows = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=8), max_size=3)
sections = st.dictionaries(
    st.sampled_from([*KNOWN, "other"]), values | rows | st.dictionaries(st.just("1"), rows), max_size=3
)


@settings(max_examples=40)
@example({"dataset": [{"seconds": math.inf}]})
@given(sections)
def test_never_fails(found):
    document = {"format": 1, "kind": "other", "created": "", "machine": {}, "versions": {}, "sections": found}
    assert render([document]).endswith("</html>")
    print_summary(document, Console(file=io.StringIO()))
