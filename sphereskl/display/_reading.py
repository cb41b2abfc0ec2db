"""How displays read a fitted estimator, alone or at the end of a pipeline."""

from sklearn.utils.validation import check_is_fitted


def last_step(estimator, *needed, instead):
    """Return the fitted estimator itself, the last step of a pipeline.

    `needed` are the attributes that are drawn, `instead` names an estimator that has them.
    """
    check_is_fitted(estimator)
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    missing = [name for name in needed if not hasattr(last, name)]
    if missing:
        raise ValueError(
            f"estimator must have {missing[0]}, which {type(last).__name__} lacks; pass {instead} "
            "or a pipeline that ends in one."
        )
    return last


def input_of_last_step(estimator, X):
    """Return samples as the last step of a pipeline receives them."""
    in_pipeline = hasattr(estimator, "steps") and len(estimator) > 1
    return estimator[:-1].transform(X) if in_pipeline else X
