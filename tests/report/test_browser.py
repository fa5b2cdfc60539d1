"""The page in a real browser: no sideways scrolling on a phone, tables that sort, no request to anywhere."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

from scalable.report.page import render

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs chromium")]

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=4000",
]

PROBE = """
<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const column = (table, n) => Array.from(table.tBodies[0].rows, (row) => row.cells[n].textContent);
  const table = Array.from(page.querySelectorAll("table")).find((t) => t.textContent.includes("Peak memory"));
  const heading = Array.from(table.tHead.rows[0].cells).findIndex((cell) => cell.textContent === "Time");
  const press = () => { table.tHead.rows[0].cells[heading].firstElementChild.click(); return column(table, 0); };
  const found = {
    width: page.documentElement.scrollWidth,
    height: page.documentElement.scrollHeight,
    before: column(table, 0), down: press(), up: press(),
    sorted: table.tHead.rows[0].cells[heading].getAttribute("aria-sort"),
    figures: Array.from(page.querySelectorAll("svg"), (svg) => svg.getBoundingClientRect().width),
    requests: frame.contentWindow.performance.getEntriesByType("resource").length,
    ink: getComputedStyle(page.querySelector("svg text")).fill,
  };
  document.body.textContent = "PROBE" + JSON.stringify(found) + "PROBE";
});
</script>
"""


def probe(documents, directory):
    """Return what the browser finds on the page of these documents, on a screen of 375 pixels."""
    page = html.escape(render(documents))
    outer = directory / "probe.html"
    outer.write_text(
        f'<!doctype html><body>{PROBE}<iframe style="width:375px;height:700px;border:0" srcdoc="{page}"></iframe>'
    )
    command = [BROWSER, *OPTIONS, f"--user-data-dir={directory / 'profile'}", "--dump-dom", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(html.unescape(re.search("PROBE({.*?})PROBE", done.stdout, flags=re.S)[1]))


@pytest.fixture(scope="module")
def found(quickstart, tmp_path_factory):
    return probe([quickstart], tmp_path_factory.mktemp("browser"))


def test_a_phone_does_not_scroll_sideways(found):
    assert found["width"] <= 375
    assert found["height"] > 2000


def test_figures_use_the_width_of_a_phone(found):
    assert len(found["figures"]) == 11
    assert all(300 < width <= 375 for width in found["figures"])


def test_tables_sort_by_number(found, quickstart):
    stages = sorted(quickstart["sections"]["stages"], key=lambda stage: stage["seconds"])
    names = [stage["name"] for stage in stages]
    assert found["before"] == [stage["name"] for stage in quickstart["sections"]["stages"]]
    assert found["down"] == names[::-1]
    assert found["up"] == names
    assert found["sorted"] == "ascending"


def test_colours_of_figures_come_from_the_page(found):
    assert found["ink"] == "rgb(22, 32, 44)"


def test_nothing_is_requested(found):
    assert found["requests"] == 0


def test_a_comparison_fits_a_phone_and_sorts_by_time(versus, tmp_path):
    seen = probe([versus], tmp_path)
    assert seen["width"] <= 375
    timed = [row for row in versus["sections"]["peers"] if "seconds" in row]
    timed.sort(key=lambda row: row["seconds"])
    assert seen["up"] == [*(row["peer"] for row in timed), "broken"]  # who has no time comes last
    assert seen["requests"] == 0
