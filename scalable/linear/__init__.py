"""Linear learners with scikit-learn's manners, on data of any size."""

from __future__ import annotations

from scalable.linear.least_squares import LinearRegression, Ridge
from scalable.linear.logistic import LogisticRegression

__all__ = ["LinearRegression", "LogisticRegression", "Ridge"]
