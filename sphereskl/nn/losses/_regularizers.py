"""Regularisers that push the filters of a layer apart."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...geometry import normalize

# Below a distance of 0.01, half a degree, unit filters share the slope of the energy there: the
# energy of two filters that meet is infinite, and so is its gradient.
_SMALLEST_SQUARED_CHORD = 1e-4


def orthogonality(weight: Tensor, *, exact: bool = False) -> Tensor:
    """Orthogonality penalty: squared distance of the filters from orthonormal ones.

    Parameters
    ----------
    weight : Tensor of shape (..., n_filters, fan_in)
        Filters as rows, *not* normalised: the term also keeps their norms near 1.
    exact : bool, default=False
        Whether to use the published form even if there are more filters than inputs.

    Returns
    -------
    penalty : Tensor of shape (...)
        ``|W W' - I|^2`` (Frobenius) for at most `fan_in` filters. More than that cannot be
        orthonormal, and the published form has a minimum of ``n_filters - fan_in`` that is not
        zero; the best possible set is a tight frame, so that
        ``|W' W - (n_filters / fan_in) I|^2`` is used instead, with minimum 0.

    Notes
    -----
    The two forms have the same value and gradient if ``n_filters`` equals ``fan_in``.
    A tight frame has mean squared norm 1, but single norms may differ. Costs
    ``n_filters fan_in min(n_filters, fan_in)`` multiplications.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 3.5.
    .. [2] Benedetto and Fickus (2003), "Finite Normalized Tight Frames", Advances in
       Computational Mathematics 18.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import orthogonality
    >>> orthogonality(torch.eye(3)), orthogonality(2 * torch.eye(3))
    (tensor(0.), tensor(27.))
    """
    n_filters, fan_in = weight.shape[-2:]
    if exact or n_filters <= fan_in:
        gram, level = weight @ weight.mT, 1.0
    else:
        gram, level = weight.mT @ weight, n_filters / fan_in
    identity = torch.eye(gram.shape[-1], dtype=weight.dtype, device=weight.device)
    return (gram - level * identity).square().sum(dim=(-2, -1))


def filter_energy(weight: Tensor, power: int = 2, *, half_space: bool = True) -> Tensor:
    """Hyperspherical energy: mean repulsion energy of the filters' directions on the sphere.

    Parameters
    ----------
    weight : Tensor of shape (..., n_filters, fan_in)
        Filters as rows; only their directions matter.
    power : {0, 1, 2}, default=2
        Exponent s of the energy ``|u - v|^-s`` of two directions; 0 means
        ``-log |u - v|``.
    half_space : bool, default=True
        Whether a filter also repels the negatives of the others (and its own, a constant):
        a filter and its negative are one feature with two signs.

    Returns
    -------
    energy : Tensor of shape (...)
        Mean over the pairs of ``n_filters`` directions, or of ``2 n_filters`` in half-space;
        0 if there is no pair.

    Raises
    ------
    ValueError
        If the power is not 0, 1 or 2.

    Notes
    -----
    Needs memory for a few matrices of shape (n_filters, n_filters).

    Deviation from the paper: the energy of two directions closer than 0.01 is continued by its
    tangent at 0.01, so that value and gradient are finite, and neighbours still repel.

    References
    ----------
    .. [1] Liu et al. (2018), "Learning towards Minimum Hyperspherical Energy", NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import filter_energy
    >>> filter_energy(torch.eye(3), half_space=False)
    tensor(0.5000)
    """
    if power not in (0, 1, 2):
        raise ValueError(f"power must be 0, 1 or 2, got {power!r}.")
    directions = normalize(weight)
    n_filters = weight.shape[-2]
    cosines = directions @ directions.mT
    energy = _of_pairs(_pair_energy(cosines, power))
    if not half_space:
        return energy / max(n_filters * (n_filters - 1), 1)
    # Of [W, -W]: two pairs (u, v) and two (u, -v) for each pair of filters, and (u, -u).
    energy = energy + _of_pairs(_pair_energy(-cosines, power))
    antipodal = _pair_energy(torch.tensor(-1.0, dtype=weight.dtype), power).item()
    return (energy + n_filters * antipodal) / (n_filters * (2 * n_filters - 1))


@dataclass(frozen=True)
class Regularizer:
    """Regulariser: penalty on the filters of a model's layers, added to the loss.

    Parameters
    ----------
    kind : {"orthogonal", "mhe", "half_space_mhe"}
        `orthogonality`, or `filter_energy` with power 2, over all of the sphere or
        in half-space.
    strength : float, default=None
        Factor of the penalty, at least 0; ``None`` is the authors' value, 1e-4 for
        "orthogonal" and 1 for the energies.
    layers : {"sphere", "all"}, default="sphere"
        Whether to penalise only layers with an angular operator, or ordinary convolutions and
        linear layers too. To measure the effect of an operator, give the ordinary network the
        same regulariser.
    exact : bool, default=False
        Whether "orthogonal" uses its published form in layers with more filters than inputs,
        too, see `orthogonality`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or if a model has no such layers.

    Notes
    -----
    Penalties are summed over layers. Filters in different groups of a convolution see
    different channels and are not compared: orthogonality is summed over groups, energy
    averaged.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Regularizer
    >>> model = torch.nn.Linear(4, 2)
    >>> _ = torch.nn.init.eye_(model.weight)
    >>> Regularizer("orthogonal", layers="all")(model)
    tensor(0., grad_fn=<MulBackward0>)
    """

    kind: str
    strength: float | None = None
    layers: str = "sphere"
    exact: bool = False

    def __post_init__(self):
        if self.kind not in _PENALTIES:
            raise ValueError(f"kind must be one of {sorted(_PENALTIES)}, got {self.kind!r}.")
        if self.strength is not None and not 0 <= self.strength < math.inf:
            raise ValueError(f"strength must be finite and at least 0, got {self.strength!r}.")
        if self.layers not in ("sphere", "all"):
            raise ValueError(f"layers must be 'sphere' or 'all', got {self.layers!r}.")
        if self.exact and self.kind != "orthogonal":
            raise ValueError(f"exact=True belongs to kind='orthogonal', got {self.kind!r}.")

    def __call__(self, model: nn.Module) -> Tensor:
        """Return the penalty of a model, a scalar."""
        penalty, default = _PENALTIES[self.kind]
        options = {"exact": True} if self.exact else {}
        penalties = [penalty(filters, **options) for filters in self._filters(model)]
        if not penalties:
            raise ValueError(
                f"{type(model).__name__} has no layers of the kind layers={self.layers!r}"
                + ("; layers='all' includes ordinary ones." if self.layers == "sphere" else ".")
            )
        strength = default if self.strength is None else self.strength
        return strength * torch.stack(penalties).sum()

    def _filters(self, model: nn.Module) -> Iterator[Tensor]:
        """Yield the filters of each layer as rows, (groups, n_filters / groups, fan_in)."""
        for layer in model.modules():
            # Spherical layers are recognised by their operator: no other layer has one.
            is_ordinary = isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
            is_meant = hasattr(layer, "operator") or (is_ordinary and self.layers == "all")
            weight = getattr(layer, "weight", None)
            if is_meant and isinstance(weight, Tensor):
                yield weight.flatten(1).unflatten(0, (getattr(layer, "groups", 1), -1))


_PENALTIES: dict[str, tuple[Callable[..., Tensor], float]] = {
    "half_space_mhe": (lambda filters: filter_energy(filters).mean(), 1.0),
    "mhe": (lambda filters: filter_energy(filters, half_space=False).mean(), 1.0),
    "orthogonal": (lambda filters, **options: orthogonality(filters, **options).sum(), 1e-4),
}


def _pair_energy(cosines: Tensor, power: int) -> Tensor:
    # With the squared chord q = |u - v|^2 = 2 - 2 cos the energy is q^(-s/2), or -log(q) / 2.
    squared = 2 - 2 * cosines
    near = _SMALLEST_SQUARED_CHORD
    far = squared.clamp_min(near)
    energy = far.pow(-power / 2) if power else -far.log() / 2
    # Below `near` its tangent there: dE/dq = -(s/2) q^(-s/2 - 1), or -(1/2) q^-1.
    slope = -(power or 1) / 2 * near ** (-power / 2 - 1)
    return energy + slope * (squared - near).clamp_max(0)


def _of_pairs(energy: Tensor) -> Tensor:
    """Sum over pairs of different filters."""
    # Masked, not selected: selecting would synchronise with the GPU to count them.
    same = torch.eye(energy.shape[-1], dtype=torch.bool, device=energy.device)
    return energy.masked_fill(same, 0).sum(dim=(-2, -1))
