"""The fraud desk, small: both roads agree, the planted faults are named, the page tells the story."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPO


@pytest.mark.slow
@pytest.mark.parametrize(("drift", "latest_alarm"), [("sudden", 5), ("gradual", 8)])
def test_the_desk_recovers(tmp_path, drift, latest_alarm):
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    pytest.importorskip("lmdb", reason="the extra 'features' is not installed")
    words = ["--home", "desk", "--drifts", drift]  # relative, as `make fraud-desk` has it
    subprocess.run(
        [sys.executable, "-m", "bench.desk", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        check=True,
        timeout=900,
    )
    sections = json.loads((tmp_path / "desk/results.json").read_text())["sections"]
    (facts,) = sections["measured"]
    assert facts["online_differs_from_offline"] == 0
    assert facts["false_alarms"] == 0
    assert 2 <= facts["days_to_alarm"] <= latest_alarm
    assert facts["days_to_recovery"] is not None
    assert facts["auc_lost_at_last"] < facts["auc_lost_at_worst"]
    assert facts["bad_version_alarm"][0].startswith("amount_cents")
    page = (tmp_path / "desk/desk.html").read_text()
    assert "beats" in page or "replaces" in page
    assert page.count("<svg") >= 3
    assert "auc_lost" in page
    assert {row["rows"] for row in sections["monitor"]["rows"]} == {100_000}
    if drift == "sudden":
        (leak,) = sections["planted skew"]
        assert [named["feature"] for named in leak["checker"]] == ["card_amount_cents_sum_24h"]
        assert 20 < leak["checker"][0]["hours"] <= 24
        assert leak["monitor"] == ["card_amount_cents_sum_24h"]


def test_a_folder_of_something_else_is_not_made_anew(tmp_path, monkeypatch, capsys):
    from bench.desk.__main__ import main

    (tmp_path / "thesis.txt").write_text("years")
    monkeypatch.setattr(sys, "argv", ["bench.desk", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "'thesis.txt' there is none of the desk's" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years"
