"""Small jobs that still have several files and row groups."""

import pytest

import data_gen


@pytest.fixture
def small(tmp_path):
    """Generate a small dataset: five files of two row groups each."""

    def make(name="fraud", out=None, rows=40_000, **options):
        options = {"rows_per_file": 8192, "row_group_rows": 4096, "seed": 3, **options}
        return data_gen.generate(name, rows=rows, out=out or tmp_path / "data", **options)

    return make


@pytest.fixture(scope="session")
def contents():
    """Return the bytes of every file below a directory by relative path."""

    def read(directory):
        files = (p for p in sorted(directory.rglob("*")) if p.is_file())
        return {str(p.relative_to(directory)): p.read_bytes() for p in files}

    return read
