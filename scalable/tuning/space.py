"""A search space: parameters and what they may be, as text, TOML or a mapping; points of it, drawn by a seed."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.errors import UsageError
from scalable.models.parameters import value_of

KINDS = ("log", "uniform", "int", "logint")
FORMS = "choices a|b|c, or log:LOW:HIGH, uniform:LOW:HIGH, int:LOW:HIGH, logint:LOW:HIGH"
MOST_DRAWS = 100  # a trial, before a space counts as exhausted


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def draw(self, random: np.random.Generator) -> Any:
        """Return one, each as likely as another."""
        return self.values[int(random.integers(len(self.values)))]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, both included.

    Attributes
    ----------
    kind : str
        Of `KINDS`: uniform, or uniform in the logarithm; "int" and "logint" are whole.
    low, high : float
        The bounds.
    """

    kind: str
    low: float
    high: float

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1 if self.kind.endswith("int") else math.inf

    def draw(self, random: np.random.Generator) -> float | int:
        """Return one."""
        low, high = self.low, self.high
        if self.kind == "int":
            return int(random.integers(int(low), int(high) + 1))
        if self.kind == "uniform":
            return float(random.uniform(low, high))
        if self.kind == "log":
            return float(min(max(math.exp(random.uniform(math.log(low), math.log(high))), low), high))
        drawn = math.exp(random.uniform(math.log(low), math.log(high + 1)))  # every number has its share
        return int(min(max(math.floor(drawn), low), high))


@dataclass(frozen=True, slots=True)
class Space:
    """Parameters by name, and what each may be."""

    parameters: Mapping[str, Choice | Range]

    @property
    def size(self) -> float:
        """How many points there are."""
        return math.prod(one.size for one in self.parameters.values())

    def draw(self, n: int, seed: int) -> list[dict[str, Any]]:
        """Return `n` different points, or all where there are fewer; more of them begin with the same ones."""
        random, found, seen = np.random.default_rng(seed), [], set()
        for _ in range(n * MOST_DRAWS):
            point = {name: self.parameters[name].draw(random) for name in sorted(self.parameters)}
            key = repr(point)
            if key not in seen:
                seen.add(key)
                found.append(point)
            if len(found) >= min(n, self.size):
                break
        return found


def read_space(given: str | os.PathLike[str] | Mapping[str, Any]) -> Space:
    """Return a space.

    Parameters
    ----------
    given : str, path or mapping
        ``"learning_rate=log:0.01:0.3,num_leaves=15|31|63"``, the path of a TOML file, or what such a file holds: lists
        are choices, ``{log = [0.01, 0.3]}`` a range.

    Raises
    ------
    UsageError
        Naming the parameter and the forms there are.
    """
    if isinstance(given, Mapping):
        return _checked({str(name): _of_value(str(name), value) for name, value in given.items()})
    text = os.fspath(given)
    if text.endswith(".toml") or (os.path.sep in text and "=" not in text):
        try:
            with open(text, "rb") as file:
                told = tomllib.load(file)
        except OSError as error:
            raise UsageError(f"{text}: the space cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{text}: is no TOML ({error}); its lines look like num_leaves = [15, 31, 63]"
            ) from error
        return read_space(told)
    found: dict[str, Choice | Range] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, form = (word.strip() for word in part.partition("="))
        if not equals or not name or not form:
            raise UsageError(f"space {part!r} is not NAME=FORM with {FORMS}")
        if name.replace("-", "_") in {known.replace("-", "_") for known in found}:
            raise UsageError(f"space names {name!r} twice; give it once")
        found[name] = _of_text(name, form)
    return _checked(found)


def _checked(found: dict[str, Choice | Range]) -> Space:
    if not found:
        raise UsageError(f"the space is empty; give NAME=FORM with {FORMS}")
    return Space({name.replace("-", "_"): one for name, one in found.items()})


def _of_text(name: str, form: str) -> Choice | Range:
    kind, colon, bounds = form.partition(":")
    if not colon and ".." not in form:
        return _choice(name, [value_of(one.strip()) for one in form.split("|")])
    return _range(name, kind, [value_of(one) for one in bounds.split(":")])


def _of_value(name: str, value: Any) -> Choice | Range:
    if isinstance(value, Choice | Range):
        return value
    if isinstance(value, str):
        return _of_text(name, value)
    if isinstance(value, Mapping):
        if len(value) != 1:
            raise UsageError(
                f"space {name}: {dict(value)!r} is not one of {', '.join(KINDS)} with its bounds"
            )
        ((kind, bounds),) = value.items()
        return _range(name, str(kind), list(bounds) if isinstance(bounds, list | tuple) else [bounds])
    return _choice(name, list(value) if isinstance(value, list | tuple) else [value])


def _choice(name: str, values: Sequence[Any]) -> Choice:
    if not values or any(value == "" for value in values):
        raise UsageError(f"space {name}: a choice is empty; the forms are {FORMS}")
    return Choice(tuple({repr(value): value for value in values}.values()))  # lists are values too


def _range(name: str, kind: str, bounds: Sequence[Any]) -> Range:
    if kind not in KINDS:
        raise UsageError(f"space {name}: {kind!r} is no range; the forms are {FORMS}")
    numbers = [bound for bound in bounds if isinstance(bound, int | float) and not isinstance(bound, bool)]
    if (
        len(bounds) != 2
        or len(numbers) != 2
        or not all(map(math.isfinite, numbers))
        or numbers[0] > numbers[1]
    ):
        raise UsageError(f"space {name}: {kind} takes two numbers, the lower first, not {list(bounds)}")
    low, high = numbers
    if kind.startswith("log") and low <= 0:
        raise UsageError(f"space {name}: a logarithmic range begins above 0, not at {low}")
    if kind.endswith("int") and (low != int(low) or high != int(high)):
        raise UsageError(f"space {name}: {kind} takes whole numbers, not {list(bounds)}")
    return Range(kind, float(low), float(high))
