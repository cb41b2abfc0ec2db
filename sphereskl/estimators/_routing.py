"""Metadata routing requests of an estimator, as plain values."""

from typing import Any

from sklearn.utils.metadata_routing import MetadataRequest


def plain_requests(estimator: Any) -> dict[str, dict[str, Any]]:
    """Return the requests made by ``set_fit_request`` and similar methods.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Any.

    Returns
    -------
    requests : dict of dict
        For methods with requests, True, False, None or another name for every argument;
        empty if there are none.
    """
    requests = vars(estimator).get("_metadata_request")
    methods = {} if requests is None else vars(requests)
    found = {name: getattr(method, "requests", None) for name, method in methods.items()}
    return {name: dict(wanted) for name, wanted in found.items() if wanted}


def restore_requests(estimator: Any, requests: dict[str, dict[str, Any]]) -> None:
    """Restore metadata routing requests.

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
    # The name, not the estimator: a circular reference, which not every format supports.
    estimator._metadata_request = MetadataRequest(owner=type(estimator).__name__)
    for method, wanted in requests.items():
        for argument, alias in wanted.items():
            getattr(estimator._metadata_request, method).add_request(param=argument, alias=alias)
