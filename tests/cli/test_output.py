"""Where results go: `-` is standard output, devices are written to, missing folders are told before the work."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def data(scalable: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    assert scalable("generate", "physics", "--rows", 1000, "--out", folder, "--quiet").code == 0
    return folder


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_holds_the_document_and_nothing_else(name: str, scalable: Run, data: Path) -> None:
    code, out, err = scalable("verify", data, "--json", name)
    assert code == 0
    assert json.loads(out)["kind"] == "verify"
    assert "as its manifest says" in err, "what people read goes elsewhere"
    assert sys.stdout is not sys.stderr
    assert scalable("verify", data).out.strip().endswith("as its manifest says"), "only while it is kept"


def test_a_page_can_go_to_standard_output(scalable: Run, data: Path) -> None:
    _, out, err = scalable("describe", data, "--out", "-")
    assert out.lower().startswith("<!doctype html>")
    assert "lepton_pt" in err


def test_devices_are_written_to_and_not_replaced(tmp_path: Path, data: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    command = [sys.executable, "-m", "scalable", "verify", str(data), "--json", str(pipe)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    reader.join(60)
    assert json.loads(found[0])["kind"] == "verify"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(scalable: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert scalable("verify", data, "--json", tmp_path / "link.json").code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["kind"] == "verify"


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_a_missing_folder_is_told_before_anything_is_done(option: str, scalable: Run, tmp_path: Path) -> None:
    place = tmp_path / "none" / "x.json"
    code, _, err = scalable("describe", tmp_path / "nothing here either", option, place)
    assert code == 2
    assert f"there is no folder {place.parent}" in err
    assert not place.parent.exists()
    code, _, err = scalable("describe", tmp_path, option, tmp_path)
    assert code == 2
    assert "is a folder" in err
