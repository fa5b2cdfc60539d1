"""A class as its source says. To import a learner takes a second, to read its file some milliseconds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

import scalable


class Parameter(NamedTuple):
    """One parameter: its default, and its annotation as it is written."""

    default: Any
    annotation: str


@dataclass(frozen=True)
class Written:
    """A class of this package.

    Attributes
    ----------
    module : str
        Where it is defined.
    node : ast.ClassDef
        Its definition.
    """

    module: str
    node: ast.ClassDef

    @cached_property
    def docstring(self) -> str:
        """Its docstring, without indentation."""
        return cleandoc(ast.get_docstring(self.node) or "")

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """What it can be given by name, in the order of its signature: see `scalable.models.parameters.Declared`."""
        found: dict[str, Parameter | None] = {}
        for base in self.bases:
            declared, fixed = base._own
            for name, one in {**declared, **dict.fromkeys(fixed)}.items():
                found.setdefault(name, one)
        first = next((base._first for base in self.bases if base._first is not None), ())
        taken = {name: one for name, one in found.items() if one is not None}
        return {name: taken[name] for name in first} | taken

    @cached_property
    def _own(self) -> tuple[dict[str, Parameter], list[str]]:
        """The parameters it declares, and the other names it has."""
        declared, others = {}, list[str]()
        for each in self.node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                name = each.target.id
                if each.value is not None and not (name.startswith("_") or name.endswith("_")):
                    declared[name] = Parameter(_value(each.value), ast.unparse(each.annotation))
            elif isinstance(each, ast.Assign):
                others += _names(each)
            elif isinstance(each, ast.FunctionDef):
                others.append(each.name)
        return declared, others

    @cached_property
    def _first(self) -> tuple[str, ...] | None:
        """Its own `_positional`."""
        for each in self.node.body:
            if isinstance(each, ast.Assign | ast.AnnAssign) and "_positional" in _names(each):
                return () if each.value is None else ast.literal_eval(each.value)
        return None

    @cached_property
    def bases(self) -> list[Written]:
        """It and its bases of this package, in the order of resolution."""
        return [one.written for one in self._stand_in.__mro__ if "written" in vars(one)]

    @cached_property
    def _stand_in(self) -> Any:
        """A class with stand-ins of its bases as bases: Python itself orders them."""
        names = [base.id for base in self.node.bases if isinstance(base, ast.Name)]
        bases = [found._stand_in for name in names if (found := written(self.module, name))]
        return type(self.node.name, tuple(bases), {"written": self})

    def family(self) -> Iterator[Written]:
        """Yield it, its bases, and the classes that their docstrings refer to ("As for `Ridge`"), with theirs."""
        asked, seen = [self], set[tuple[str, str]]()
        while asked:
            for one in asked.pop(0).bases:
                if (one.module, one.node.name) not in seen:
                    seen.add((one.module, one.node.name))
                    yield one
                    package = one.module.rpartition(".")[0]
                    told = re.findall(r"As for `(\w+)`", one.docstring)
                    asked += [found for name in told if (found := written(package, name))]


def _value(node: ast.expr) -> Any:
    """Return what an expression of numbers and words is."""
    return eval(compile(ast.Expression(node), "default", "eval"), {"__builtins__": {}})


def _names(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """Return the names that a statement sets."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]


@cache
def _parsed(module: str) -> ast.Module | None:
    """Return a module of this package, None where there is none of the name."""
    first, *parts = module.split(".")
    base = Path(scalable.__file__).parent.joinpath(*parts)
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if first == "scalable" and file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return None


@cache
def written(module: str, name: str) -> Written | None:
    """Return a class by its name in a module, wherever that has it from; None where it is not of this package."""
    tree = _parsed(module)
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Written(module, node)
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                if (each.asname or each.name) == name:
                    return written(node.module or "", each.name)
    return None
