"""The solvers of mean losses: what each needs, and which one suits."""

from __future__ import annotations

from dataclasses import dataclass

from scalable.errors import UsageError
from scalable.kernels.linear.losses import LOSSES, Loss


@dataclass(frozen=True, slots=True)
class Solver:
    """A way to minimise a penalised mean loss.

    Attributes
    ----------
    needs : dict of str to str
        Attributes of the loss's record that must be true, and why.
    most_terms : int or None
        Coefficients up to which it is chosen by itself.
    hashed : bool
        Whether it is chosen by itself when categories are hashed.
    """

    needs: dict[str, str]
    most_terms: int | None = None
    hashed: bool = True


FEW_ROWS = 2**12  # with fewer, the noise of stochastic steps is larger than what a pass costs
KINKED_ROWS = 2**17  # of losses with a kink, which take some dozens of passes
KINKED_WORK = 2**28  # rows times squared terms of such a pass
MOST_OF_A_HESSIAN = 2**13  # coefficients: a matrix of half a gibibyte

# In order of preference.
SOLVERS = {
    "newton": Solver({"smooth": "its steps follow the curvature"}, 512, hashed=False),
    "sgd": Solver({}),
}


def choose(asked: str, loss: Loss, n_terms: int, hashed: bool) -> str:
    """Return the name of the solver: the one asked for, or the first that suits.

    Parameters
    ----------
    asked : str
        ``"auto"``, or the name of a solver.
    loss : Loss
        What is minimised.
    n_terms : int
        Coefficients, of all outputs.
    hashed : bool
        Whether categories are hashed.

    Raises
    ------
    UsageError
        When the loss lacks what the solver needs, or coefficients are too many for it; says what to use instead.
    """
    if asked == "auto":
        return next(
            name
            for name, solver in SOLVERS.items()
            if not _lacking(solver, loss)
            and (solver.hashed or not hashed)
            and (solver.most_terms is None or n_terms <= solver.most_terms)
        )
    for need in _lacking(SOLVERS[asked], loss):
        others = [name for name, solver in SOLVERS.items() if not _lacking(solver, loss)]
        losses = [
            other.name
            for other in LOSSES.values()
            if other.classification == loss.classification and not _lacking(SOLVERS[asked], other)
        ]
        raise UsageError(
            f"solver={asked!r} needs a {need} loss ({SOLVERS[asked].needs[need]}), which {loss.name} is not; use "
            f"solver={' or '.join(map(repr, others))}, or the loss {' or '.join(map(repr, losses))}"
        )
    if asked == "newton" and n_terms > MOST_OF_A_HESSIAN:
        raise UsageError(
            f"solver='newton' takes at most {MOST_OF_A_HESSIAN:,} coefficients, as its matrix holds all by all; found "
            f"{n_terms:,} coefficients{' (leave hashed columns out)' if hashed else ''}; use solver='sgd'"
        )
    return asked


def exact_is_cheap(loss: Loss, n_rows: int, n_terms: int, hashed: bool) -> bool:
    """Return whether the minimum itself is to be had for less than the stochastic steps around it would cost."""
    if hashed or n_terms > (SOLVERS["newton"].most_terms or n_terms):
        return False
    if (
        loss.quadratic
    ):  # one pass of products takes at most twice as long as one of steps, which little noise misleads
        return True
    if loss.smooth:
        return n_rows < FEW_ROWS
    return loss.majorant is not None and n_rows <= KINKED_ROWS and n_rows * n_terms**2 <= KINKED_WORK


def known_loss(loss: str, classification: bool) -> str:
    """Return the name of a loss of the wanted kind, or raise a UsageError that lists them."""
    allowed = [name for name, spec in LOSSES.items() if spec.classification == classification]
    if loss not in allowed:
        raise UsageError(f"loss must be one of {', '.join(map(repr, allowed))}, not {loss!r}")
    return loss


def _lacking(solver: Solver, loss: Loss) -> list[str]:
    return [need for need in solver.needs if not getattr(loss, need)]
