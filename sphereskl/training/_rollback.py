"""A fit that fails leaves the estimator as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

from ..geometry import one_thread


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Restore an estimator if a block fails.

    Parameters
    ----------
    estimator : object
        Its attributes are restored, and the weights of the network and of the criterion of its
        ``net_``, if it has one: a warm start trains them in place.

    Raises
    ------
    BaseException
        The exception of the block, afterwards.

    Notes
    -----
    Ctrl-C counts as an error here, since it may come at any line. The one that `fit_net`
    handles does not pass through this block: see `settle_interruption`.
    """
    before = vars(estimator).copy()
    net = before.get("net_")
    trained = [] if net is None else [net.module_, net.criterion_]
    # On one thread: a forked process could wait for threads that it does not have.
    with one_thread():
        states = [deepcopy(module.state_dict()) for module in trained]
    # Prototypes may have been replaced, which a state alone could not undo.
    owned = [_with_own_dicts(module) for module in trained]
    settings, n_epochs = ({}, 0) if net is None else (vars(net).copy(), len(net.history))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        if net is not None:
            vars(net).clear()
            vars(net).update(settings)
            net.optimizer_ = None
            del net.history[n_epochs:]
        with one_thread():
            for module, attributes, state in zip(trained, owned, states, strict=True):
                vars(module).update(attributes)
                module.load_state_dict(state)
        raise


def _with_own_dicts(module: Any) -> dict[str, Any]:
    """Return the attributes of a module; its dictionaries, such as that of buffers, as copies."""
    return {name: copy(v) if isinstance(v, dict) else v for name, v in vars(module).items()}
