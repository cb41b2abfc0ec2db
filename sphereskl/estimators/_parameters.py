"""Nested parameters: those of configurations, such as a backbone's, and of named callbacks."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from sklearn.base import BaseEstimator

_PREFIX = "callbacks__"

# Which objects have parameters, for the message where others were to be set.
_WAYS_OUT = {
    "augmentation": "a configuration such as augmentation=ImageAugmentation()",
    "backbone": "a configuration such as backbone=MLP()",
}


class PartsParametersMixin(BaseEstimator):
    """Parameters of configurations and callbacks, in addition to the estimator's own."""

    callbacks: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include those of the backbone, the augmentation and callbacks.

        Returns
        -------
        params : dict
            As `set_params` takes them.
        """
        params = super().get_params(deep)
        return {**params, **callback_params(params["callbacks"])} if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; nested ones as ``backbone__param`` and ``callbacks__name__param``.

        Parameters
        ----------
        **params
            Parameters by name.

        Returns
        -------
        self : estimator
            The estimator.
        """
        plain, nested = split_params(self, params)
        super().set_params(**plain)
        set_callback_params(self, nested)
        return self


def callback_params(callbacks: Any) -> dict[str, Any]:
    """Return callbacks and their parameters by the names under which they can be set.

    Parameters
    ----------
    callbacks : sequence of skorch callbacks or pairs (name, callback), or None
        A callback without a name is named after its class, as in skorch, with a number from 1 on
        if the class occurs more than once.

    Returns
    -------
    params : dict
        ``callbacks__name`` and ``callbacks__name__param``.
    """
    params = {}
    for name, callback in _named(callbacks).items():
        params[_PREFIX + name] = callback
        for param, value in _params_of(callback).items():
            params[f"{_PREFIX}{name}__{param}"] = value
    return params


def split_params(estimator: Any, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate parameters of callbacks from others, and refuse those of parts without parameters.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Estimator whose parameters are to be set.
    params : dict
        By name.

    Returns
    -------
    plain, nested : dict
        Those set by scikit-learn, and those set by `set_callback_params`.

    Raises
    ------
    ValueError
        If there is no such part, or it has no such parameter.
    """
    owns = estimator.get_params(deep=False)
    for name in params:
        head, delimiter, _ = name.partition("__")
        part = params.get(head, owns.get(head))
        if not delimiter or head not in owns or head == "callbacks" or hasattr(part, "set_params"):
            continue
        way_out = _WAYS_OUT.get(head, "a whole one")
        raise ValueError(
            f"{name} cannot be set because {head} is {part!r}, which has no parameters; pass "
            f"{way_out}."
        )
    nested = {name: value for name, value in params.items() if name.startswith(_PREFIX)}
    plain = {name: value for name, value in params.items() if name not in nested}
    callbacks = _named(params.get("callbacks", estimator.callbacks))
    # Callbacks replaced in the same call have the parameters that are set with them.
    callbacks |= {name: nested[_PREFIX + name] for name in callbacks if _PREFIX + name in nested}
    for key in nested:
        _check(key, callbacks)
    return plain, nested


def set_callback_params(estimator: Any, nested: dict[str, Any]) -> None:
    """Replace callbacks of an estimator and set their parameters.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Gets a new list or tuple if one of its callbacks is replaced.
    nested : dict
        From `split_params`.
    """
    whole = {key: value for key, value in nested.items() if "__" not in key[len(_PREFIX) :]}
    if whole:
        names = _names(estimator.callbacks)
        estimator.callbacks = type(estimator.callbacks)(
            (name, whole[_PREFIX + name]) if _PREFIX + name in whole else item
            for name, item in zip(names, estimator.callbacks, strict=True)
        )
    callbacks = _named(estimator.callbacks)
    for key in nested.keys() - whole.keys():
        name, _, param = key[len(_PREFIX) :].partition("__")
        callbacks[name].set_params(**{param: nested[key]})


def _check(key: str, callbacks: dict[str, Any]) -> None:
    name, _, param = key[len(_PREFIX) :].partition("__")
    if name not in callbacks:
        raise ValueError(
            f"{key} cannot be set because callbacks hold no {name!r}, but {list(callbacks)}; give "
            "a callback its name by a pair such as ('stop', EarlyStopping())."
        )
    known = _params_of(callbacks[name])
    if param and param not in known:
        raise ValueError(
            f"{key} cannot be set because the callback {name!r} is {callbacks[name]!r}, whose "
            f"parameters are {list(known)}."
        )


def _params_of(callback: Any) -> dict[str, Any]:
    """Return the parameters of a callback; none for a class or an object without parameters."""
    has_some = hasattr(callback, "get_params") and not isinstance(callback, type)
    return callback.get_params(deep=False) if has_some else {}


def _named(callbacks: Any) -> dict[str, Any]:
    if not isinstance(callbacks, list | tuple):
        return {}
    parts = (item[1] if _is_pair(item) else item for item in callbacks)
    return dict(zip(_names(callbacks), parts, strict=True))


def _names(callbacks: Sequence[Any]) -> list[str]:
    plain = [item[0] if _is_pair(item) else _class_name(item) for item in callbacks]
    count, seen, names = Counter(plain), Counter(), []
    for name, item in zip(plain, callbacks, strict=True):
        seen[name] += 1
        names.append(name if count[name] == 1 or _is_pair(item) else f"{name}_{seen[name]}")
    return names


def _is_pair(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str)


def _class_name(callback: Any) -> str:
    return callback.__name__ if isinstance(callback, type) else type(callback).__name__
