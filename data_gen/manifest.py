"""manifest.json: what a dataset is, where it came from, and the best score possible on it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data_gen.columns import Column
from data_gen.datasets import recipe
from data_gen.errors import VerificationError
from data_gen.storage import write_json
from data_gen.writing.request import Request
from scalable.storage.documents import SHAPELESS, typed, typed_fields, understood
from scalable.storage.places import place

NAME = "manifest.json"
FORMAT = 1
MOST_ROWS = 2**63 - 1  # of files: their values are computed from the numbers of rows


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a dataset.

    Parameters
    ----------
    path : str
        Relative to the manifest.
    first_row, rows, bytes : int
    sha256 : str
    """

    path: str
    first_row: int
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of manifest.json.

    Parameters
    ----------
    directory : Path
        Where the dataset is; not part of the file.
    request : Request
    target : str or None
    columns : list of dict
        Name, type, unit, law, encoding, nullable and levels of each column.
    files : list of FileEntry
    truth : dict
        Bayes scores, or the true parameters.
    versions : dict
        Of everything that decides the bytes.
    share : str
        ``"i/n"`` when this is one machine's part of a dataset, else empty.
    """

    directory: Path
    request: Request
    target: str | None
    columns: list[dict[str, Any]]
    files: list[FileEntry]
    truth: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    share: str = ""

    @property
    def rows(self) -> int:
        """Rows in the files listed."""
        return sum(f.rows for f in self.files)

    @property
    def bytes(self) -> int:
        """Size of the files listed."""
        return sum(f.bytes for f in self.files)

    @property
    def paths(self) -> list[Path]:
        """Paths of the files listed."""
        return [self.directory / f.path for f in self.files]

    def to_json(self) -> dict[str, Any]:
        """Return what manifest.json holds, JSON types only."""
        return {
            "format": FORMAT,
            **self.request.to_json(),
            **({"share": self.share} if self.share else {}),
            "target": self.target,
            "bytes": self.bytes,
            "truth": self.truth,
            "columns": self.columns,
            "versions": self.versions,
            "files": [asdict(f) for f in self.files],
        }

    def write(self, name: str = NAME) -> None:
        """Write manifest.json (or another name) atomically."""
        write_json(self.directory / name, self.to_json())


def column_json(column: Column) -> dict[str, Any]:
    """Return a column's description as JSON types, without empty entries."""
    described = {**asdict(column), "levels": list(column.levels)}
    return {key: value for key, value in described.items() if value not in (False, [])}


def read(directory: str | os.PathLike[str], name: str = NAME) -> Manifest:
    """Read the manifest of a dataset.

    Raises
    ------
    VerificationError
        When there is none or it cannot be understood.
    """
    path = place(directory) / name
    try:
        raw = json.loads(path.read_text(), parse_constant=_no_number)
        if raw["format"] != FORMAT:
            raise VerificationError(f"{path}: format {raw['format']} is not the {FORMAT} this version reads")
        request = typed(Request, {key: raw[key] for key in Request.__dataclass_fields__})
        files = [typed(FileEntry, entry) for entry in raw["files"]]
        numbers = [n for f in files for n in (f.first_row, f.rows, f.bytes)]
        if min([0, *numbers]) < 0 or min(request.rows, request.rows_per_file, request.row_group_rows) < 1:
            raise ValueError("fewer rows than there can be")
        if max([0, *(f.first_row + f.rows for f in files)]) > MOST_ROWS:
            raise ValueError(f"more rows than {MOST_ROWS:,}")
        names = ("target", "columns", "truth", "versions")
        rest = typed_fields(
            Manifest, {"share": ""} | {key: raw[key] for key in (*names, "share") if key in raw}
        )
        return Manifest(path.parent, request, files=files, **rest)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VerificationError(f"{path} does not exist; was this written by `scalable generate`?") from error
    except SHAPELESS as error:
        if isinstance(error, VerificationError):
            raise
        raise VerificationError(f"{path} is damaged ({error!r}); generate the dataset again") from error


def recipe_of(manifest: Manifest) -> Any:
    """Return what makes the rows of a dataset.

    Raises
    ------
    VerificationError
        When nothing is made so.
    """
    request, share = manifest.request, manifest.share.replace("/", "-of-")
    name = f"manifest-{share}.json" if share else NAME
    with understood(VerificationError, manifest.directory / name, "generate the dataset again"):
        return recipe(request.dataset, request.seed, request.knobs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def versions() -> dict[str, str]:
    """Return the versions of everything that decides the bytes of a dataset."""
    import llvmlite.binding

    found = {name: version(name) for name in ("numpy", "numba", "llvmlite", "pyarrow")}
    try:
        own = version("scalable-training")
    except PackageNotFoundError:
        own = "source"
    cpu = llvmlite.binding.get_host_cpu_name()
    return {"data_gen": own, "python": platform.python_version(), **found, "cpu": str(cpu)}
