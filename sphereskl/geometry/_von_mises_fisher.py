"""The von Mises-Fisher distribution, the analogue of the normal distribution on the sphere."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import gammaln, ive, logsumexp
from torch import Tensor

# Mean resultant lengths beyond it need concentrations that float64 cannot tell from infinity.
_LONGEST = 1 - 1e-9
# Terms of the series for small concentrations; it is used where a few dozen suffice.
_N_TERMS = 500


def fit_von_mises_fisher(z: Tensor, weight: Tensor | None = None) -> tuple[Tensor, float]:
    """Maximum-likelihood mean direction and concentration of unit rows.

    Parameters
    ----------
    z : Tensor of shape (n_samples, embedding_dim)
        Unit rows, at least one, in two dimensions or more.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; only their ratios matter.

    Returns
    -------
    mean_direction : Tensor of shape (embedding_dim,)
        Unit; a pole of the first axis if the rows have no mean direction.
    kappa : float
        Concentration, at least 0: 0 for rows that are spread evenly, and at most that of a mean
        resultant length of 1 - 1e-9, for rows that coincide.

    Notes
    -----
    With R the length of the mean, the concentration solves ``A_d(kappa) = R``, where A_d is
    ``I_{d/2} / I_{d/2-1}``. Newton's method starts from ``R (d - R^2) / (1 - R^2)`` of Banerjee
    et al. [1]_, and three steps [2]_ bring it to rounding.

    References
    ----------
    .. [1] Banerjee et al. (2005), "Clustering on the Unit Hypersphere using von Mises-Fisher
       Distributions", JMLR 6, equation 4.4.
    .. [2] Sra (2012), "A Short Note on Parameter Approximation for von Mises-Fisher
       Distributions", Computational Statistics 27.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import fit_von_mises_fisher, sample_uniform
    >>> direction, kappa = fit_von_mises_fisher(torch.tensor([[1.0, 0.0], [0.8, 0.6]]))
    >>> direction
    tensor([0.9487, 0.3162])
    >>> round(kappa, 2)
    10.02
    """
    share = torch.ones(len(z)) if weight is None else weight
    share = (share.double() / share.sum()).to(z.device)
    mean = share @ z.double()
    length = float(mean.norm())
    direction = mean / length if length > 0 else torch.eye(1, len(mean), dtype=mean.dtype)[0]
    return direction.to(z.dtype), _concentration(min(length, _LONGEST), z.shape[1])


def von_mises_fisher_log_density(z: Tensor, mean_directions: Tensor, kappa: ArrayLike) -> Tensor:
    """Von Mises-Fisher log-density of unit rows, by mean direction.

    Parameters
    ----------
    z : Tensor of shape (n_samples, embedding_dim)
        Unit rows, in two dimensions or more.
    mean_directions : Tensor of shape (n_directions, embedding_dim)
        Unit rows.
    kappa : array-like of shape (n_directions,) or float
        Concentrations, at least 0.

    Returns
    -------
    log_density : Tensor of shape (n_samples, n_directions)
        ``log C_d(kappa) + kappa mean_direction . z``, with respect to the area of the sphere;
        float64.

    Notes
    -----
    ``C_d(kappa) = kappa^v / ((2 pi)^{d/2} I_v(kappa))`` with ``v = d/2 - 1`` [1]_. Bessel functions
    of high order underflow at small concentrations; there the series of ``I_v(kappa) / kappa^v``
    is summed instead, whose first term alone is the density of the uniform distribution.

    References
    ----------
    .. [1] Mardia and Jupp (2000), "Directional Statistics", section 9.3.2.

    Examples
    --------
    >>> import math, torch
    >>> from sphereskl.geometry import von_mises_fisher_log_density
    >>> uniform = von_mises_fisher_log_density(torch.eye(3), torch.eye(3)[:1], 0.0)
    >>> torch.allclose(uniform.exp(), torch.tensor(1 / (4 * math.pi)).double())
    True
    """
    concentrations = np.broadcast_to(np.asarray(kappa, dtype=np.float64), len(mean_directions))
    dim = z.shape[1]
    log_constant = -dim / 2 * math.log(2 * math.pi) - _log_bessel_ratio(dim / 2 - 1, concentrations)
    # kappa (cos - 1) and log(I exp(-kappa)) are both small if kappa is large.
    cosines = z.double() @ mean_directions.double().T
    constant, kappas = (torch.from_numpy(x).to(z.device) for x in (log_constant, +concentrations))
    return constant + kappas * (cosines - 1)


def _concentration(length: float, dim: int) -> float:
    """Solve A_d(kappa) = length."""
    if length == 0:
        return 0.0
    kappa = length * (dim - length**2) / (1 - length**2)
    for _ in range(3):
        mean_cosine = _mean_cosine(kappa, dim)
        slope = 1 - mean_cosine**2 - (dim - 1) / kappa * mean_cosine
        # At high concentrations the difference that makes the slope is lost to rounding; there
        # the start is exact, since A_d is 1 - (d - 1) / (2 kappa) up to rounding.
        if slope * kappa**2 < 1e-6 * dim:
            break
        kappa -= (mean_cosine - length) / slope
    return kappa


def _mean_cosine(kappa: float, dim: int) -> float:
    """Return the mean cosine with the mean direction, A_d(kappa) = I_{d/2} / I_{d/2-1}."""
    order, at = dim / 2 - 1, np.array([kappa])
    return kappa * math.exp(
        (_log_bessel_ratio(order + 1, at) - _log_bessel_ratio(order, at)).item()
    )


def _log_bessel_ratio(order: float, kappa: np.ndarray) -> np.ndarray:
    """Return log(I_order(kappa) exp(-kappa) / kappa^order)."""
    scaled = ive(order, kappa)
    with np.errstate(divide="ignore", invalid="ignore"):  # at 0, where the series is used
        direct = np.log(scaled) - order * np.log(kappa)
        powers = np.arange(1, _N_TERMS) * 2 * np.log(kappa[:, None] / 2)
        # 0 times the logarithm of 0: at order 0 there is no division.
        direct = np.where(order == 0, np.log(scaled), direct)
    # I_v(kappa) / kappa^v = 2^-v sum_j (kappa^2 / 4)^j / (j! Gamma(v + j + 1)).
    powers = np.pad(powers, ((0, 0), (1, 0)))
    terms = np.arange(_N_TERMS)
    series: Any = logsumexp(powers - gammaln(terms + 1) - gammaln(order + terms + 1), axis=1)
    return np.where(scaled > 1e-290, direct, series - order * math.log(2) - kappa)
