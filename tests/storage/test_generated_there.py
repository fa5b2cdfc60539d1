"""Datasets generated into an object store: the bytes of a local run, whole at last, whatever kills the run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import data_gen
from data_gen.errors import RequestError
from data_gen.writing.journal import Journal
from scalable.cli.app import build
from scalable.cli.screen.failure import run as run_command
from scalable.storage.files import store_of
from scalable.storage.places import files_below, place
from tests.storage.s3 import Proxy
from tests.storage.test_objects import impatient
from tests.test_imports import ROOT

SMALL = {"rows": 40_000, "rows_per_file": 8_192, "row_group_rows": 4_096, "seed": 3}


def contents(out):
    """Return the bytes of every file, and the manifest without what is made of its place."""
    return {name: path.read_bytes() for name, path in files_below(place(out)).items()}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    out = tmp_path_factory.mktemp("generated") / "local"
    data_gen.generate("fraud", out=out, **SMALL)
    return contents(out)


def test_the_bytes_are_those_of_a_local_run(local, prefix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = "s3://test-bucket/made/same"
    manifest = data_gen.generate("fraud", out=Path(there), **SMALL)
    assert contents(there) == local
    assert data_gen.read_manifest(there).files == manifest.files
    assert data_gen.verify(there) == []
    with pytest.raises(RequestError, match="holds a dataset already"):
        data_gen.generate("fraud", out=there, **SMALL)
    data_gen.generate("fraud", out=there, resume=True, **SMALL)
    data_gen.generate("physics", out=there, overwrite=True, rows=1_000)
    assert sorted(contents(there)) == ["manifest.json", "part-000000.parquet"]
    assert not list(tmp_path.iterdir())


def test_shares_are_joined_by_the_last(local, prefix):
    there = "s3://test-bucket/made/shares"
    for share in range(3):
        data_gen.generate("fraud", out=there, shards_of=(share, 3), **SMALL)
    assert contents(there) == local


def test_what_was_altered_meanwhile_is_written_again(local, prefix, monkeypatch):
    there = "s3://test-bucket/made/altered"
    with monkeypatch.context() as kept:
        kept.setattr(Journal, "discard", Journal.close)
        data_gen.generate("fraud", out=there, **SMALL)
    (place(there) / "manifest.json").unlink()
    part = place(there) / "part-000001.parquet"
    data = part.read_bytes()
    with store_of(part).replacing(part) as file:
        file.write(data[:-9] + b"x" + data[-8:])
    (place(there) / ".generation" / "part-000002.parquet.json").unlink()
    written = []
    record = Journal.record
    monkeypatch.setattr(
        Journal,
        "record",
        lambda self, part, *rest: (written.append(part.index), record(self, part, *rest))[1],
    )
    with pytest.raises(RequestError, match="was begun with seed=3"):
        data_gen.generate("fraud", out=there, resume=True, **{**SMALL, "seed": 4})
    data_gen.generate("fraud", out=there, resume=True, **SMALL)
    assert sorted(written) == [1, 2]
    assert contents(there) == local


SCRIPT = """
import json, sys, data_gen
data_gen.generate("fraud", out=sys.argv[1], workers=2, resume=True, **json.loads(sys.argv[2]))
"""


@pytest.mark.parametrize("moments", [(0, 2), pytest.param((0, 1, 2, 3, 4), marks=pytest.mark.slow)])
def test_sigkill_then_resume(local, prefix, moments, environment, s3_server):
    """Kill one job when so many files are there, behind a slow link, then let it finish."""
    there = f"s3://test-bucket/made/killed-{len(moments)}"
    command = [sys.executable, "-c", SCRIPT, there, json.dumps(SMALL)]
    with Proxy(s3_server, delay=0.15) as proxy:
        slow = {**os.environ, "AWS_ENDPOINT_URL": proxy.address}
        for wanted in moments:
            with subprocess.Popen(command, env=slow, cwd=ROOT) as process:
                while process.poll() is None:
                    found = files_below(place(there))
                    begun = ".generation/request.json" in found
                    if begun and sum(name.startswith("part-") for name in found) >= wanted:
                        break
                    time.sleep(0.01)
                assert process.poll() is None, "finished before it could be killed"
                process.send_signal(signal.SIGKILL)
            assert "manifest.json" not in contents(there)
    data_gen.generate("fraud", out=there, workers=2, resume=True, **SMALL)
    assert contents(there) == local


def test_injured_answers_change_no_byte(local, prefix, environment, s3_server, monkeypatch):
    impatient(monkeypatch)
    there = "s3://test-bucket/made/injured"
    with Proxy(s3_server, share=0.2) as proxy:
        environment(proxy.address)
        data_gen.generate("fraud", out=there, **SMALL)
        assert proxy.injured > 5
    environment()
    assert contents(there) == local


def test_on_a_cluster(local, prefix, dask_client):
    there = "s3://test-bucket/made/cluster"
    names = {name: os.environ[name] for name in os.environ if name[:4] == "AWS_"}

    def take():  # the bound method would be of a copy
        os.environ.update(names)

    dask_client.run(take)
    data_gen.generate("fraud", out=there, client=dask_client, **SMALL)
    assert contents(there) == local


def test_the_command_line_and_what_it_refuses(prefix, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    there = "s3://test-bucket/made/typed"
    words = ["generate", "fraud", "--rows", "20000", "--out"]

    def run(*words):
        return run_command(build(), list(words))

    assert run(*words, there) == 0
    told = capsys.readouterr().out
    assert there in told
    assert run("verify", there, "-q") == 0
    assert run("describe", there, "--rows", "5000") == 0
    assert (place(there) / "describe.html").is_file()
    assert run("describe", f"{there}/part-000000.parquet", "--out", "page.html", "-q") == 0
    assert run("describe", there, "--out", f"{there}-page.html", "--json", f"{there}-numbers.json", "-q") == 0
    assert (place(f"{there}-page.html").is_file(), place(f"{there}-numbers.json").is_file()) == (True, True)
    capsys.readouterr()
    assert run("train", "logistic", there, "--target", "is_fraud", "--model", f"{there}-model") == 0
    assert run("evaluate", f"{there}-model", there, "--target", "is_fraud") == 0
    assert "Bayes" in capsys.readouterr().out
    assert run(*words, there) == 2
    assert "holds a dataset already; pass --resume" in capsys.readouterr().err
    assert run(*words, "s3://no-such-bucket/x") == 1
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
