"""Parameters of estimators, declared once as annotated class attributes and inherited like any attribute.

From the declarations each class gets a constructor with a real signature, so ``help()``, completion and scikit-learn's
``get_params`` see every parameter, those of the bases included. A name nobody knows is refused with the nearest one.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import numbers
import os
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from scalable.errors import UsageError, listed, shown
from scalable.models.parameter_ranges import check_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Declared:
    """Base of classes whose parameters are declared.

    An annotated attribute with a default, whose name neither begins nor ends with an underscore, is a parameter::

        class Ridge(LinearEstimator):
            alpha: float = 1.0

    Its own parameters come first in the signature, then those of its bases. All are keyword-only but those that
    `_positional` names, in its order. A class that sets one anew without an annotation fixes it: a parameter no more.
    """

    _positional: ClassVar[tuple[str, ...]] = ()
    _open: ClassVar[str | None] = None  # name of further keywords, which `_further` takes

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        signature = _signature(cls)

        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  becomes the class's own
            further = {name: kwargs.pop(name) for name in [*kwargs] if name not in signature.parameters}
            given = signature.bind(self, *args, **kwargs)
            given.apply_defaults()
            for name, value in given.arguments.items():
                if name not in ("self", cls._open):
                    setattr(self, name, value)
            self._further(further)

        __init__.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for
        __init__.__qualname__ = f"{cls.__qualname__}.__init__"
        __init__.__module__ = cls.__module__
        cls.__init__ = __init__  # type: ignore[method-assign]  # made from the declarations

    def _further(self, given: dict[str, Any]) -> None:
        """Take keywords that are not declared; here, refuse them."""
        for name in given:
            raise UsageError(
                f"{type(self).__name__} has no parameter {name!r}; {nearest(name, self.parameter_names())}"
            )

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return every name the constructor takes."""
        return [name for name in inspect.signature(cls).parameters if name != cls._open]

    @classmethod
    def declared_kinds(cls) -> dict[str, str]:
        """Return the annotation of each parameter, as it is written."""
        return {name: str(one.annotation) for name, one in inspect.signature(cls).parameters.items()}

    def _check_kinds(self) -> None:
        """Refuse values of another kind than is declared, and numbers that mean nothing.

        Who takes a word knows which, and says so, but could not compare an array with it.
        """
        for name, kinds in self.declared_kinds().items():
            if name == self._open:
                continue
            value = getattr(self, name)
            wanted = wrong_kind(kinds, value)
            if wanted and ("str" not in kinds or "Path" in kinds or not isinstance(value, Hashable)):
                raise UsageError(f"{name} must be {wanted}, not {shown(value)}")
            if {"int", "float"} & {*kinds.split(" | ")} and not wanted and isinstance(value, numbers.Real):
                check_range(name, value)

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of no name that is declared are refused with the nearest one."""
        known = inspect.signature(type(self)).parameters
        further = {name: value for name, value in params.items() if name.partition("__")[0] not in known}
        self._further(further)
        parent: Any = super()
        parent.set_params(**{name: value for name, value in params.items() if name not in further})
        return self


def nearest(name: str, known: Iterable[str], flag: str = "{!r}") -> str:
    """Return what to say of a name that is unknown: the nearest one, or all there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {flag.format(near[0])}?"
    return "there are " + listed([flag.format(each) for each in names])


_KINDS: dict[str, tuple[str, type | None]] = {
    "int": ("a whole number", numbers.Integral),
    "float": ("a number", numbers.Real),
    "bool": ("true or false", None),
    "str": ("a word", str),
    "os.PathLike[str]": ("a path", os.PathLike),
    "None": ("none", type(None)),
}


def wrong_kind(annotation: str, value: Any) -> str:
    """Return what a parameter takes where `value` is of another kind than its annotation says; else nothing.

    Parameters
    ----------
    annotation : str
        As it is written; where it names more than numbers, truth values, words and None, all values are right.
    value : any
        NumPy's numbers and truth values are as Python's; a truth value is no number.
    """
    kinds = [part.strip() for part in annotation.split("|")]
    if not all(kind in _KINDS for kind in kinds):
        return ""
    truth = isinstance(value, bool) or type(value).__name__ == "bool"  # NumPy's, which must not be loaded
    if truth and "bool" in kinds:
        return ""
    if not truth and any((of := _KINDS[kind][1]) is not None and isinstance(value, of) for kind in kinds):
        return ""
    return " or ".join(_KINDS[kind][0] for kind in kinds)


def names_of(what: str, given: Any) -> tuple[str, ...]:
    """Return the names of columns that a parameter gives: one, several, or none for None.

    Raises
    ------
    UsageError
        On anything else, such as the places of columns.
    """
    listed = () if given is None else [given] if isinstance(given, str) else given
    if not isinstance(listed, Iterable) or not all(isinstance(name, str) for name in listed):
        raise UsageError(f"{what} takes names of columns, not {given!r}")
    return tuple(listed)


def numbers_of(name: str, given: Any) -> NDArray[np.float64]:
    """Return a parameter that holds numbers as an array of its own.

    Raises
    ------
    UsageError
        When it holds anything else.
    """
    import numpy as np  # `scalable train --help` must not load it

    try:
        return np.array(given, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be numbers, not {shown(given)}") from None


def log_of(given: Any, plain: bool) -> bool | tuple[str, ...]:
    """Return what a learner's ``log`` means: "auto" is not done to plain arrays."""
    if isinstance(given, str) and given == "auto":
        return not plain
    return names_of("log", given) if wrong_kind("bool | None", given) else bool(given)


def value_of(text: str) -> Any:
    """Return what a parameter's value means as it is written on a command line: a Python literal, or the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def seed_of(given: Any, least: int = 0) -> int | None:
    """Return the seed that a ``random_state`` gives: a number, or drawn from a generator; None for None."""
    import numpy as np  # `scalable train --help` must not load it

    if given is None:
        return None
    most = np.iinfo(np.int32).max
    if isinstance(given, np.random.RandomState):
        return int(given.randint(most))
    if isinstance(given, np.random.Generator):
        return int(given.integers(most))
    try:
        seed = int(given)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"random_state must be a number or a NumPy generator, found {given!r}") from None
    if not least <= seed < 2**32:  # as of NumPy's own
        raise UsageError(f"random_state must lie between {least} and 2**32 - 1, found {given!r}")
    return seed


def _signature(cls: type[Declared]) -> inspect.Signature:
    found: dict[str, inspect.Parameter | None] = {}
    keyword = inspect.Parameter.KEYWORD_ONLY
    for base in cls.__mro__:
        if not issubclass(base, Declared):
            continue
        own = vars(base)
        kinds = own.get("__annotations__", {})
        for name, kind in kinds.items():
            if name in own and name not in found and not (name.startswith("_") or name.endswith("_")):
                default = getattr(cls, name)
                found[name] = inspect.Parameter(name, keyword, default=default, annotation=kind)
        found = {**{name: None for name in own if name not in kinds and name not in found}, **found}
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    declared = {name: parameter for name, parameter in found.items() if parameter is not None}
    first = [declared.pop(name).replace(kind=either) for name in cls._positional]
    rest = [inspect.Parameter(cls._open, inspect.Parameter.VAR_KEYWORD)] if cls._open else []
    return inspect.Signature([inspect.Parameter("self", either), *first, *declared.values(), *rest])
