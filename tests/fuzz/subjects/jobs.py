"""What interrupted jobs leave behind, what users write, and what strangers ask a model."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import ScalableError
from scalable.feature_store import read_definitions
from scalable.feature_store.spill import SpillFile, open_spills, read_partition, write_spill
from scalable.inference import load_model
from scalable.inference.request.json import parse_json
from scalable.linear import LogisticRegression
from scalable.report.journal import Journal, read_journal
from scalable.report.page import render
from scalable.scoring.predict_files import JOB, score
from tests.fuzz.mutations import changed_array, changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, REFUSED

N = 300
DEFINITIONS = """
[views.pay]
source = "events"
entity = "customer"
event_time = "at"
time_to_live = "9h"
values = ["amount"]

[[views.pay.aggregates]]
column = "amount"
functions = ["count", "sum", "max"]
windows = ["2h", "30m"]
"""


def corpus(directory):
    """Write a scored dataset, a journal, spilled rows and definitions of features."""
    rng = np.random.default_rng(0)
    rows = pa.table({"x": rng.random(N), "y": rng.integers(0, 2, N)})
    pq.write_table(rows, directory / "rows.parquet", row_group_size=100)
    source = ParquetSource(directory / "rows.parquet", target="y")
    LogisticRegression().fit(source).save(directory / "model")
    score(load_model(directory / "model"), source, directory / "scored")
    when = pa.array(rng.integers(0, 30 * 86_400, N)).cast(pa.timestamp("s"))
    more = {"t": rng.choice([*"ab"], N), "when": when, "k_id": rng.integers(0, 200, N)}
    asked = TableSource(pa.table({name: rows[name] for name in "xy"} | more), "y")
    LogisticRegression(n_bins=64).fit(asked).save(directory / "asked")
    journal = Journal(directory / "results.jsonl", "versus", seed=1)
    for k in range(3):
        journal.append("quality", {"model": f"m{k}", "rows": k, "auc": 0.5})
    columns = [rng.integers(-(2**62), 2**62, N) for _ in range(3)]
    write_spill(directory / "rows.spill", columns, rng.integers(-1, 4, N).astype(np.int32), 4)
    (directory / "features.toml").write_text(DEFINITIONS)


class File:
    """Changes bytes of one file; what is accepted is what it was, where a checksum says so."""

    name, suffix = "", ""

    def __init__(self, directory):
        self.directory = directory
        self.content = (directory / self.name).read_bytes()

    def mutate(self, rng, path):
        path.write_bytes(changed_bytes(rng, self.content))

    def check(self, path, reached):
        try:
            self.use(path)
        except ScalableError:
            return REFUSED
        return ACCEPTED


class JournalFile(File):
    """A journal of results, shown and gone on with."""

    name, suffix = "results.jsonl", ".jsonl"

    def mutate(self, rng, path):
        if rng.random() < 0.5:
            super().mutate(rng, path)
            return
        lines = self.content.splitlines()
        at = int(rng.integers(0, len(lines)))
        lines[at] = json.dumps(changed_json(rng, json.loads(lines[at]))).encode()
        path.write_bytes(b"\n".join(lines) + b"\n")

    def use(self, path):
        assert render([read_journal(path)])
        Journal(path, "versus", seed=1, resume=True).append("quality", {"model": "z", "rows": 1})


class Definitions(File):
    """Definitions of features."""

    name, suffix = "features.toml", ".toml"

    def use(self, path):
        found = read_definitions(path)
        assert found.views
        assert found.fingerprint()


class Spill(File):
    """Spilled rows: any byte, or another index under right sums."""

    name, suffix = "rows.spill", ".spill"

    def __init__(self, directory):
        super().__init__(directory)
        self.found = [read_partition([SpillFile(directory / self.name)], p)[0] for p in range(4)]

    def mutate(self, rng, path):
        self.forged = rng.random() < 0.5
        if not self.forged:
            super().mutate(rng, path)
            return
        from scalable.kernels.timeline.words import checksum

        words = np.frombuffer(self.content, np.int64).copy()
        index = words[-(5 + 3 * 4 + 4) : -2].copy()
        index[:-2] = np.resize(changed_array(rng, index[:-2]), len(index) - 2).astype(np.int64)
        path.write_bytes(words[: -(len(index) + 2)].tobytes() + index.tobytes()
                         + np.array([checksum(index), words[-1]]).tobytes())  # fmt: skip

    def use(self, path):
        for p in range(4):
            found, _ = read_partition(open_spills([str(path)]), p)
            assert self.forged or np.array_equal(found, self.found[p])


class ScoringRecord:
    """The record of a scoring job, resumed: another job's is refused, the same one finds its files."""

    suffix = ""

    def __init__(self, directory):
        self.directory = directory
        self.source = ParquetSource(directory / "rows.parquet", target="y")
        self.predictor = load_model(directory / "model")

    def mutate(self, rng, path):
        shutil.copytree(self.directory / "scored", path)
        record = path / JOB
        content = record.read_bytes()
        if rng.random() < 0.5:
            record.write_bytes(changed_bytes(rng, content))
        else:
            record.write_text(json.dumps(changed_json(rng, json.loads(content))))

    def check(self, path, reached):
        try:
            score(self.predictor, self.source, path, resume=True)
        except ScalableError:
            return REFUSED
        found, own = (
            given(json.loads((place / JOB).read_text())) for place in (path, self.directory / "scored")
        )
        assert found == own, "a record of another job was gone on with"
        return ACCEPTED


def given(document):
    """Return JSON without what is null, which says the same as nothing."""
    if isinstance(document, dict):
        return {name: given(part) for name, part in document.items() if part is not None}
    return document


class Request:
    """JSON from the wire, answered by a model."""

    suffix = ".json"

    def __init__(self, directory):
        self.answer = load_model(directory / "asked").answer

    def mutate(self, rng, path):
        document = {"x": 0.25, "t": "a", "when": "1970-01-09T12:30:00", "k_id": 17}
        if rng.random() < 0.5:
            path.write_bytes(changed_bytes(rng, json.dumps(document).encode()))
        else:
            path.write_text(json.dumps(changed_json(rng, document)))

    def check(self, path, reached):
        try:
            row = parse_json(path.read_bytes())
            if not isinstance(row, dict):  # the server asks
                return REFUSED
            assert 0 <= self.answer(row) <= 1
        except ScalableError:
            return REFUSED
        return ACCEPTED
