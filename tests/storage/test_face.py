"""Nothing goes around the face of storage: who else asks for sizes and times, or renames what it has written?"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# attribute -> the modules it is told apart by, or None for a method of any object
AROUND = {
    "getsize": None, "getmtime": None, "scandir": None, "stat": None, "st_size": None, "st_mtime_ns": None,
    "st_mtime": None, "chmod": None, "rename": None, "replace": {"os"}, "mmap": {"mmap"}, "fstat": {"os"},
}  # fmt: skip


BELOW = [ROOT / "scalable/storage", ROOT / "scalable/kernels"]
PRODUCT = [
    path
    for package in ("scalable", "data_gen")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not any(path.is_relative_to(below) for below in BELOW)
]


@pytest.mark.parametrize("package", ["scalable", "data_gen"])
def test_files_are_asked_for_and_placed_by_storage_alone(package):
    for path in PRODUCT:
        if not path.is_relative_to(ROOT / package):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in AROUND:
                modules = AROUND[node.attr]
                goes_around = modules is None or (
                    isinstance(node.value, ast.Name) and node.value.id in modules
                )
                assert not goes_around, f"{path}:{node.lineno} uses .{node.attr}; ask scalable.storage"
