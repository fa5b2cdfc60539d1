"""From which value on a distance is an alarm: an effect that matters, plus what sampling alone may do.

With n rows of the period, m of the reference, r = 1/n + 1/m and a chance alpha for each number looked at:

- PSI and Jensen-Shannon: without drift PSI is about r times chi-squared with (bins - 1) degrees of freedom (Yurdakul
  and Naranjo, 2020), Jensen-Shannon in bits PSI / (8 ln 2) to second order. Threshold: effect + r quantile(1 - alpha).
- KS: effect + sqrt(r ln(2 / alpha) / 2) (Dvoretzky, Kiefer and Wolfowitz with Massart's constant, both samples).
- Wasserstein: effect + the sum over edges of (z sqrt(r F (1 - F)) + z^2 r / 3) step, the errors of cumulated shares;
  the last term is for edges beyond which hardly a row lies (Bernstein).
- Shares: effect + z sqrt(r s (1 - s)) + z^2 r, s the pooled share; the last term is for counts near none (Bernstein).
- Means (losses): effect + z times the standard error of the difference.

Effects do not depend on the number of rows: of a million rows, a difference that is sure but too small to matter is no
alarm.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Effects that matter, and the chance of a false alarm of one number.

    Attributes
    ----------
    psi, js, ks, wasserstein : float
        Of a column's or prediction's distribution.
    missing, unknown, outside : float
        Differences of shares: of missing values, of new categories, of values beyond the reference's range.
    auc : float
        Loss of AUC.
    loss : float
        Rise of the mean loss, as a share of the reference's.
    calibration : float
        Observed over predicted mean, beyond 1 or below, as a share.
    alpha : float
        Two-sided, of one number of one period.
    """

    psi: float = 0.1
    js: float = 0.02
    ks: float = 0.1
    wasserstein: float = 0.1
    missing: float = 0.02
    unknown: float = 0.01
    outside: float = 0.02
    auc: float = 0.02
    loss: float = 0.05
    calibration: float = 0.1
    alpha: float = 1e-6

    @property
    def z(self) -> float:
        """The normal quantile of `alpha`."""
        return _z(self.alpha)

    def of_psi(self, n: ArrayLike, m: float, bins: int) -> Any:
        """Return the threshold of PSI of periods of n rows."""
        return self.psi + _both(n, m) * _chi2(self.alpha, max(bins - 1, 1))

    def of_js(self, n: ArrayLike, m: float, bins: int) -> Any:
        """Return the threshold of the Jensen-Shannon divergence in bits."""
        return self.js + _both(n, m) * _chi2(self.alpha, max(bins - 1, 1)) / (8 * math.log(2))

    def of_ks(self, n: ArrayLike, m: float) -> Any:
        """Return the threshold of KS."""
        return self.ks + np.sqrt(_both(n, m) * math.log(2 / self.alpha) / 2)

    def of_wasserstein(
        self, n: ArrayLike, cumulated: NDArray[np.float64], steps: NDArray[np.float64], m: float
    ) -> Any:
        """Return the threshold of the Wasserstein distance, given the reference's cumulated shares and the steps."""
        spread, r = np.sqrt(np.clip(cumulated * (1 - cumulated), 0, None)), _both(n, m)
        return (
            self.wasserstein
            + self.z * np.sqrt(r) * np.sum(spread * steps)
            + self.z**2 * r / 3 * np.sum(steps)
        )

    def of_share(self, effect: float, k: ArrayLike, n: ArrayLike, k_reference: float, m: float) -> Any:
        """Return the threshold of the difference of two shares, k of n and `k_reference` of m rows."""
        r, pooled = _both(n, m), (np.asarray(k) + k_reference) / (np.asarray(n) + m)
        return effect + self.z * np.sqrt(r * pooled * (1 - pooled)) + self.z**2 * r


def _both(n: ArrayLike, m: float) -> Any:
    """Return 1/n + 1/m."""
    return 1 / np.asarray(n) + 1 / m


@functools.cache
def _chi2(alpha: float, degrees: int) -> float:
    return float(stats.chi2.isf(alpha, degrees))


@functools.cache
def _z(alpha: float) -> float:
    return float(stats.norm.isf(alpha / 2))
