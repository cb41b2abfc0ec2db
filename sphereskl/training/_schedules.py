"""Learning-rate schedules, stepped after every batch."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)

SCHEDULES = ("one_cycle", "cosine", "step", "constant")

# Liu et al. 2017 divide the learning rate by 10 after 34,000 and 54,000 of 64,000 steps.
_DROPS = (34 / 64, 54 / 64)


def make_schedule(name: str, optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler | None:
    """Build a schedule that ends after a known number of steps.

    Parameters
    ----------
    name : {"one_cycle", "cosine", "step", "constant"}
        "one_cycle" rises from lr/25 to lr over the first 30 % of the steps and falls to
        nearly zero (Smith and Topin 2019); "cosine" rises linearly over the first 5 %
        and falls along a half cosine (Loshchilov and Hutter 2017); "step" divides by 10
        after 53 % and 84 % of the steps (Liu et al. 2017); "constant" is `lr`.
    optimizer : torch.optim.Optimizer
        Optimiser whose learning rates are set, whatever they were.
    lr : float
        Peak learning rate, except of groups with a ``peak_lr`` of their own.
    n_steps : int
        Number of batches in the whole training.

    Returns
    -------
    schedule : LRScheduler or None
        ``None`` for "constant".

    Raises
    ------
    ValueError
        If `name` is unknown.
    """
    if name not in SCHEDULES:
        raise ValueError(f"name must be one of {', '.join(SCHEDULES)}, got {name!r}.")
    n_steps = int(n_steps)  # torch does not accept NumPy integers
    for group in optimizer.param_groups:
        # An optimiser that had a schedule before would start where that ended.
        group["lr"] = group.get("peak_lr", lr)
        group.pop("initial_lr", None)
    if name == "one_cycle" and n_steps > 1:
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=n_steps, cycle_momentum=False)
    if name == "cosine" and n_steps > 1:
        n_warm_up = max(1, n_steps // 20)
        warm_up = LinearLR(optimizer, 1 / (n_warm_up + 1), total_iters=n_warm_up)
        decay = CosineAnnealingLR(optimizer, max(1, n_steps - n_warm_up))
        return SequentialLR(optimizer, [warm_up, decay], milestones=[n_warm_up])
    if name == "step":
        return MultiStepLR(optimizer, [round(share * n_steps) for share in _DROPS], gamma=0.1)
    return None
