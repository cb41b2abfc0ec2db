"""Angular losses of the literature, by name."""

from typing import Any

from ._angular_margin import AngularMarginLoss

_MARGINS = ("multiplicative_margin", "divisive_margin", "angular_margin", "cosine_margin")

# Deviation from Liu et al. 2017 (both papers): m = 1.5 of their later programs, without
# annealing, for m = 4. Detached and not annealed, m = 4 lets the norms shrink to 0 and accuracy
# on digits stays at chance; annealed, it trains, but the margin depends on the number of steps.
ANGULAR_LOSSES: dict[str, dict[str, Any]] = {
    "a_softmax": {"multiplicative_margin": 1.5, "scale": "norm"},
    "arcface": {"angular_margin": 0.5},
    "cosface": {"cosine_margin": 0.35},
    "ga_softmax": {"operator": "linear", "multiplicative_margin": 1.5, "scale": "norm"},
    "normface": {},
    "sphereface": {"multiplicative_margin": 1.5},
    "sphereface_r": {"divisive_margin": 1.4},
    "w_softmax": {"scale": "norm"},
}


def make_angular_loss(name: str, margin: float | None = None, **settings: Any) -> AngularMarginLoss:
    """Build a loss of the literature by name.

    Parameters
    ----------
    name : {"a_softmax", "arcface", "cosface", "ga_softmax", "normface", "sphereface", \
"sphereface_r", "w_softmax"}
        See the notes.
    margin : float, default=None
        Margin of the loss; ``None`` takes the default in the notes.
    **settings
        Parameters of `AngularMarginLoss` that replace those in the notes.

    Returns
    -------
    loss : AngularMarginLoss
        The loss.

    Raises
    ------
    ValueError
        If the name is unknown, or if a margin is given to a loss that has none, or twice.

    Notes
    -----
    ================  ===========================  =============================
    name              margin                       scale and operator
    ================  ===========================  =============================
    ``w_softmax``     none                         norm, cosine
    ``a_softmax``     multiplicative, 1.5          norm, cosine
    ``ga_softmax``    multiplicative, 1.5          norm, linear
    ``normface``      none                         auto, cosine
    ``sphereface``    multiplicative, 1.5          auto, cosine (SphereFace-R, v0)
    ``sphereface_r``  divisive, 1.4                auto, cosine (SphereFace-R, v2)
    ``cosface``       in the cosine, 0.35          auto, cosine
    ``arcface``       in the angle, 0.5            auto, cosine
    ================  ===========================  =============================

    Margins are detached and not annealed. A-Softmax and GA-Softmax were published with
    m = 4, which needs annealing: ``make_angular_loss("a_softmax", 4.0,
    annealing=Annealing())``, and `AngularMarginLoss.advance` after every step.

    Examples
    --------
    >>> from sphereskl.nn import make_angular_loss
    >>> make_angular_loss("cosface", margin=0.2).cosine_margin
    0.2
    """
    if name not in ANGULAR_LOSSES:
        raise ValueError(f"loss must be one of {sorted(ANGULAR_LOSSES)}, got {name!r}.")
    preset = dict(ANGULAR_LOSSES[name])
    if margin is not None:
        own = next((key for key in _MARGINS if key in preset), None)
        if own is None:
            raise ValueError(f"{name!r} has no margin, got margin={margin!r}; leave it out.")
        if own in settings:
            raise ValueError(
                f"margin={margin!r} and {own}={settings[own]!r} are the same; give one."
            )
        preset[own] = margin
    return AngularMarginLoss(**{**preset, **settings})
