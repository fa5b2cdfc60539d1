"""The fenced blocks of the pages, and the small data on which what they say is run."""

from __future__ import annotations

import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import data_gen
from bench.readme import ROOT, pages

SHOWN = [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "docs" / "results" / "README.md"]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^ {4}(scalable .*)$", re.MULTILINE)
SMALLER = {
    "10_000_000": "30_000", "1M": "30k", "200k": "20k", "100000": "300", "10**6": "10**4",
    "n_estimators=300": "n_estimators=3", "n_estimators=60": "n_estimators=3",
    "--n-estimators 300": "--n-estimators 3", "--n-estimators 100": "--n-estimators 3",
    "--seconds 10": "--seconds 1", "--rate 500": "--rate 50", "data/2026-": "data/",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and its text without indentation."""

    page: str
    line: int
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """What is typed: the lines of a console block that begin with a dollar sign."""
        return re.findall(r"^\$ (.*)$", self.text, re.MULTILINE)


def blocks() -> list[Block]:
    """Return all fenced blocks, and lines of commands that are indented, of all pages."""
    found = []
    for page in SHOWN:
        name, text = str(page.relative_to(ROOT)), page.read_text("utf-8")
        for match in FENCE.finditer(text):
            code = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
            found.append(Block(name, text[: match.start()].count("\n") + 1, match[2], code))
        bare = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
        found += [
            Block(name, bare[: match.start()].count("\n") + 1, "console", f"$ {match[1]}\n")
            for match in INDENTED.finditer(bare)
        ]
    return sorted(found, key=lambda block: (block.page, block.line))


def smaller(text: str) -> str:
    """Return a text with sizes that take seconds."""
    for word, other in SMALLER.items():
        text = text.replace(word, other)
    return text


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def furnish(folder: Path) -> None:
    """Write the data and models that the pages speak of."""
    import lightgbm
    import pyarrow.parquet as pq

    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    definitions = [block.text for block in blocks() if block.language == "toml"]
    (folder / "features.toml").write_text("".join(definitions))
    small = {"rows_per_file": 2**13, "row_group_rows": 2**12}
    data_gen.generate("fraud", rows=30_000, out=folder / "transactions", **small)
    data_gen.generate("fraud", rows=20_000, out=folder / "new", seed=1)
    data_gen.generate("physics", rows=4000, out=folder / "rows")
    for name in ("fraud", "data"):
        shutil.copytree(folder / "transactions", folder / name)
    shutil.copytree(folder / "new", folder / "held_out")
    for file in (folder / "data").glob("*.parquet"):  # the reader's own
        table = pq.read_table(file)
        weight = np.linspace(0.5, 1.5, len(table))
        table = table.rename_columns({"is_fraud": "churned"}).append_column("weight", [weight])
        pq.write_table(table, file)
    (folder / "data" / "manifest.json").unlink()
    (folder / "rows.csv").write_text("id,plan,fee\n1,basic,9.5\n2,,\n")
    source = ParquetSource(folder / "transactions", target="is_fraud")
    LGBMClassifier(n_estimators=3, n_workers=1, identifiers=False).fit(source).save(folder / "forest.model")
    few = ParquetSource(
        folder / "transactions", target="is_fraud", features=["amount_cents", "category", "time"]
    )
    LGBMClassifier(n_estimators=3, n_workers=1).fit(few).save(folder / "fraud.model")
    X = np.random.default_rng(0).normal(size=(500, 5))
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, X[:, 0]), 3)
    booster.save_model(folder / "model.txt")
    names = [column.name for column in data_gen.datasets()["physics"].columns[:5]]
    booster = lightgbm.train(
        {"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, X[:, 0], feature_name=names), 3
    )
    booster.save_model(folder / "rows.txt")
