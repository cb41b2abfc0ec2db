"""Which metadata the user wants routed to the methods of an estimator, as plain values."""

from typing import Any

from sklearn.utils.metadata_routing import MetadataRequest


def plain_requests(estimator: Any) -> dict[str, dict[str, Any]]:
    """Return what was asked for by ``set_fit_request`` and its like.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Any.

    Returns
    -------
    requests : dict of dict
        For methods that are asked about, True, False, None or another name for every argument;
        empty if nothing was asked for.
    """
    requests = vars(estimator).get("_metadata_request")
    methods = {} if requests is None else vars(requests)
    found = {name: getattr(method, "requests", None) for name, method in methods.items()}
    return {name: dict(wanted) for name, wanted in found.items() if wanted}


def restore_requests(estimator: Any, requests: dict[str, dict[str, Any]]) -> None:
    """Ask for what was asked for.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Any.
    requests : dict of dict
        From `plain_requests`.
    """
    if not requests:
        vars(estimator).pop("_metadata_request", None)
        return
    # The name, not the estimator: a circle, which not every format can carry.
    estimator._metadata_request = MetadataRequest(owner=type(estimator).__name__)
    for method, wanted in requests.items():
        for argument, alias in wanted.items():
            getattr(estimator._metadata_request, method).add_request(param=argument, alias=alias)
