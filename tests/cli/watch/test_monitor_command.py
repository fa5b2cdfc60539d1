"""``scalable monitor`` as typed: exit codes, documents, the page."""

import json

import pyarrow.parquet as pq
import pytest

from tests.monitor.windows import FEATURES, rows


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Training, held-out, quiet and drifted rows."""
    place = tmp_path_factory.mktemp("places")
    drifted = rows(9000, 4, shift=1.5, day=3)
    for name, table in (
        ("train", rows(9000, 1)),
        ("held", rows(9000, 2)),
        ("quiet", rows(9000, 3, days=3)),
        ("drifted", drifted),
    ):
        (place / name).mkdir()
        pq.write_table(table, place / name / "part.parquet", row_group_size=3000)
    return place


@pytest.fixture
def trained(scalable, places, tmp_path):
    done = scalable(
        "train", "logistic", places / "train", "--target", "label", "--features", ",".join(FEATURES), "--valid",
        places / "held", "--model", tmp_path / "m", "-q",
    )  # fmt: skip
    assert done.code == 0, done.err
    return tmp_path / "m"


def test_quiet_is_zero_and_an_alarm_three(scalable, trained, places, tmp_path):
    done = scalable(
        "monitor", trained, places / "quiet", "--time", "time", "--target", "label", "--json", tmp_path / "q"
    )
    assert done.code == 0, done.out + done.err
    assert "3 periods" in done.out
    files = ["--json", tmp_path / "d.json", "--out", tmp_path / "d.html", "--prometheus", tmp_path / "d.prom"]
    done = scalable("monitor", trained, places / "*/part.parquet", "--time", "time", *files)
    assert done.code == 3
    assert "1970-01-04  x: psi" in done.out
    section = json.loads((tmp_path / "d.json").read_text())["sections"]["monitor"]
    assert {row["period"] for row in section["alarms"]} == {"1970-01-04"}
    page = (tmp_path / "d.html").read_text()
    assert "x: psi" in page
    assert page.count("<svg") >= 3
    assert "http" not in page.split("<body")[1].split("</body>")[0].replace("http://www.w3.org", "")
    assert "scalable_monitor_alarm{model=" in (tmp_path / "d.prom").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--labels", "held"], 2, "go together"),
        (["--every", "soon", "--time", "time"], 2, "no span of time"),
        (["--time", "tme"], 1, "did you mean 'time'"),
        (["--prediction", "score"], 1, "'score'"),
        (["--prediction", "city"], 1, "'city' is text, not predictions"),
        (["--labels", "held", "--target", "label", "--key", "x"], 1, "key 'x' is double"),
    ],
)
def test_what_is_off_is_one_line(scalable, trained, places, words, code, said):
    words = [places / word if word == "held" else word for word in words]
    done = scalable("monitor", trained, places / "quiet", *words)
    assert done.code == code, done.err
    assert said in done.err
