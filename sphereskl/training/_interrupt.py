"""Handling of Ctrl-C: whether it ends one training or the whole program."""

import sys
import warnings

# Functions that may be between a prompt and the training of one estimator.
_PASSES_THROUGH = (
    "sphereskl",
    "sklearn.base",
    "sklearn.pipeline",
    "sklearn.compose",
    "sklearn.utils",
)


def called_from_prompt() -> bool:
    """Tell whether the running fit was started at an interactive prompt.

    Returns
    -------
    called_from_prompt : bool
        True in a notebook cell or a console that fits one estimator, alone or at the end
        of a pipeline: Ctrl-C means "enough". False in scripts, in worker processes and
        inside anything that fits more than once, such as a search: Ctrl-C means "stop".
    """
    if not hasattr(sys, "ps1"):
        return False
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "__main__":
            return True
        if module not in ("contextlib", "functools") and not module.startswith(_PASSES_THROUGH):
            return False
        frame = frame.f_back
    return False


def settle_interruption(n_epochs: int) -> None:
    """Handle Ctrl-C during training, once the best model so far is complete.

    Parameters
    ----------
    n_epochs : int
        Number of epochs finished in training.

    Raises
    ------
    KeyboardInterrupt
        Unless one fit was started at a prompt, where a warning says what was kept.
    """
    if not called_from_prompt():
        raise KeyboardInterrupt
    warnings.warn(
        f"Training was interrupted after {n_epochs} epochs; the best model so far is kept.",
        stacklevel=3,
    )
