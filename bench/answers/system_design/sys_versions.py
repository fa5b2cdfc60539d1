"""How should models be versioned?

A version is all that made the predictions: model, rows, parameters, code; and what is in use is a
name that moves (Sculley et al., 2015).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable import ParquetSource
from scalable.errors import ModelError
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.registry import Registry
from scalable.registry.difference import data_difference, differences

QUICK, STANDARD = 20_000, 1_000_000
CLAIM = (
    "A version names the rows and parameters it came from, training again gives the same bits, going back gives the "
    "old predictions to the bit, and a changed byte is refused."
)
ANSWER = """As a record that cannot change, and a name that can. Of {versions} versions trained on up to {rows:,}
rows the registry told that the second differed from the first in {parameters} parameter and not in its rows,
and the third in its rows: "{data}". Trained again from what the first says of itself, {same_bits:.0%} of the
predictions had the same bits. The name moved to the third version and back, and {back:.0%} of the predictions
were those of before to the bit; the largest difference between the two versions was {apart:.3f}, which no
average shows. A byte was changed in version 2, and when the name was to move there {refused}. All {versions} took
{kib:.0f} KiB. What is not in a version, such as a service that is asked for a column, is not restored with it."""
LINKS = ("scalable/registry/registry.py", "scalable/registry/difference.py", "docs/models.md")


def measure(rows: int) -> dict[str, Any]:
    """Record three versions, compare them, move the name there and back, damage one."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, seed in (("old", 0), ("new", 1)):
            (home / name).mkdir()
            pq.write_table(_rows(rows, seed), home / name / "rows.parquet")
        registry = Registry(home / "registry")
        for data, strength in (("old", 1.0), ("old", 0.001), ("new", 1.0)):
            source = ParquetSource(home / data, target="y")
            _fit(source, strength).save(home / "model")
            registry.record("risk", home / "model", data=source.fingerprint(), parameters={"C": strength})
        entries = [registry.entry("risk", str(number))[1] for number in (1, 2, 3)]
        found: dict[str, Any] = {"rows": rows, "versions": len(registry.versions("risk")[0])}
        found["parameters"] = sum(d.part == "parameters" for d in differences(entries[0], entries[1]))
        found["same_rows"] = data_difference(entries[0], entries[1]) == ""
        found["data"] = data_difference(entries[0], entries[2]).replace(str(home) + "/", "")
        table = _rows(5_000, 2)

        def predict(which: str) -> Any:
            return load_model(registry.model("risk", which)[1]).predict(table)

        again = _fit(ParquetSource(home / "old", target="y"), entries[0].parameters["C"])
        found["same_bits"] = float((again.predict_proba(table.drop(["y"]))[:, 1] == predict("1")).mean())
        registry.promote("risk", "1", "production")
        before = predict("production")
        registry.promote("risk", "3", "production")
        found["apart"] = float(np.abs(predict("production") - before).max())
        registry.rollback("risk", "production")
        found["back"] = float((predict("production") == before).mean())
        sizes = [path.stat().st_size for path in (home / "registry").rglob("*") if path.is_file()]
        found |= {"kib": sum(sizes) / 1024.0, "kept": found["versions"]}
        file = max((home / "registry/risk/versions/2").rglob("*.npy"), default=None) or max(
            (p for p in (home / "registry/risk/versions/2/model").rglob("*") if p.is_file()),
            key=lambda p: p.stat().st_size,
        )
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.chmod(0o644)
        file.write_bytes(content)
        try:
            registry.promote("risk", "2", "production")
            found["refused"] = "it was not noticed"
        except ModelError:
            found["refused"] = "it was refused"
        found["production"] = registry.number_of("risk", "production")
        found["differ"] = np.histogram(predict("3") - before, 30)[0].tolist()
    return found


def _rows(n: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    y = random.random(n) < 1.0 / (1.0 + np.exp(-(x @ [1.0, -1.0, 0.5, 0.3 * (seed == 1)])))
    return pa.table({**{f"x{j}": x[:, j] for j in range(4)}, "y": y.astype(np.int64)})


def _fit(source: Any, strength: float) -> Any:
    return LogisticRegression(penalty="l2", C=strength).fit(source)


def holds(found: dict[str, Any]) -> bool:
    """Told apart, repeated, gone back to, and protected."""
    return bool(
        found["parameters"] == 1
        and found["same_rows"]
        and found["data"]
        and found["same_bits"] == found["back"] == 1.0
        and found["apart"] > 0.01
        and found["refused"] == "it was refused"
        and found["production"] == 1
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """How far two versions are apart."""
    axes.stairs(found["differ"], np.arange(31), color="#c2410c", fill=True)
    axes.set(xlabel="prediction of version 3 less that of version 1 (30 bins)", ylabel="rows")
