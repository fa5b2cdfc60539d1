"""Memory that a kernel makes lives until its last use: Numba frees an array after that, whoever knows its address."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KERNELS = sorted([*(ROOT / "scalable/kernels").rglob("*.py"), *(ROOT / "data_gen").rglob("*.py")])
MADE_BY = {"empty", "zeros", "ones", "full", "empty_like", "zeros_like"}


def known_by_address(tree):
    """Return the lines where an array that a function made is used last, and only its address is taken."""
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        made = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                pairs = [(target, node.value) for target in node.targets]
                if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
                made |= {
                    target.id for target, value in pairs
                    if isinstance(target, ast.Name) and isinstance(value, ast.Call)
                    and isinstance(value.func, ast.Attribute) and value.func.attr in MADE_BY
                }  # fmt: skip
        addresses = {
            id(node.value.value)
            for node in ast.walk(function)
            if isinstance(node, ast.Attribute) and node.attr == "data"
            and isinstance(node.value, ast.Attribute) and node.value.attr == "ctypes"
        }  # fmt: skip
        for name in made:
            uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
            last = max(uses, key=lambda node: (node.lineno, node.col_offset))
            if id(last) in addresses:
                found.append(last.lineno)
    return found


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_array_is_known_by_its_address_when_it_is_gone(path):
    lines = known_by_address(ast.parse(path.read_text()))
    assert not lines, f"{path}:{lines}: use the array after what writes to its address"


def test_what_is_freed_too_early_is_found():
    early = """
def kernel(n):
    table, gap = np.empty(9), np.empty(n)
    for k in range(n):
        table[k] = gap.ctypes.data
    fill(table)
"""
    assert known_by_address(ast.parse(early)) == [5]
    assert known_by_address(ast.parse(early + "    gap[0] = 0.0\n")) == []
