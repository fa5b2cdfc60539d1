"""Kills at any moment and a full disk lose nothing that was recorded, and leave nothing half."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from scalable.errors import ModelError
from scalable.registry.index import INDEX

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, random, signal, sys, time
from scalable.registry.registry import Registry
place, model, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
registry, random = Registry(place), random.Random(1)
for kill in range(kills):
    child = os.fork()
    if not child:
        while True:
            number = registry.record("fraud", model, metrics={"auc": kill})
            registry.promote("fraud", str(number), "production")
            registry.prune("fraud", 3)
            with open(place + ".done", "ab", buffering=0) as done:
                done.write(b"%d\\n" % number)
    time.sleep(random.random() * 0.25)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def killed(registry, model, kills):
    command = [sys.executable, "-c", KILLED, str(registry.path), str(model), str(kills)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=170)
    written = Path(f"{registry.path}.done")
    done = [int(line) for line in written.read_text().split()] if written.exists() else [1]
    rows, wrong = registry.versions("fraud")
    assert wrong == {}
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert set(done) <= {row.number for row in rows}
    for row in rows:
        if not row.pruned:
            registry.model("fraud", str(row.number), thorough=True)
    move = registry.aliases("fraud")["production"]
    assert move.version >= max(done)
    registry.model("fraud", "production", thorough=True)
    assert json.loads(json.dumps([row._asdict() for row in rows]))
    return len(rows)


def test_kills_at_any_moment_lose_nothing_and_leave_nothing_half(registry, model):
    assert killed(registry, model, 25) >= 3


@pytest.mark.slow
def test_two_hundred_kills(registry, model):
    assert killed(registry, model, 200) >= 20


def test_a_full_disk_leaves_what_was_recorded(registry, model):
    registry.record("fraud", model, metrics={"auc": 1})
    (model / "large").write_bytes(bytes(100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(ModelError, match=r"File too large.*give the registry room"):
            registry.record("fraud", model, metrics={"auc": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row.number for row in registry.versions("fraud")[0]] == [1]
    assert sorted(os.listdir(registry.path / "fraud/versions")) == [INDEX, "1"]
    assert registry.record("fraud", model) == 2
