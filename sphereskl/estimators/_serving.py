"""Fitted estimators as ONNX files, which predict without Python's scientific stack."""

import os
import sys
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from ..training import neutral_torch, one_thread, replace_file
from ._exporting import check_packages, exported
from ._onnx_graph import holds_labels, put_together
from ._served_columns import served_columns
from ._traced_predictions import TracedPredictions

# More than one, which exporters would treat as a fixed size.
_SAMPLES = 3


class ServingMixin:
    """Export to ONNX."""

    def to_onnx(self, path: Any) -> None:
        """Export the fitted estimator, preprocessing included, to an ONNX file.

        Parameters
        ----------
        path : str or Path
            Where to write; the customary suffix is ``.onnx``. An existing file is replaced
            once the new one is complete, and is kept if anything fails before.

        Raises
        ------
        ImportError
            If onnx and onnxscript, the extra ``sphereskl[onnx]``, are not installed.
        ValueError
            If ONNX has no tensor for the labels or for a column that was fitted, or torch cannot
            export the backbone.
        OSError
            If the disk is full, the folder is not writable, and so on; an existing file
            is kept.

        Notes
        -----
        **Inputs** are samples as they were fitted: scaling, missing values and levels are handled
        in the file. A frame, and an array with categories of strings, has an input of shape
        (n_samples, 1) for every column, with its name, or x0, x1, ...: strings for categories of
        strings, in which "" is a missing value, and float64 for all others, NaN if missing. Any
        other array is one input ``X`` of float64, or for images of the type that was fitted.

        **Outputs**, depending on the estimator, are ``label`` (in the type of
        `classes_`), ``probabilities``, ``value`` and ``embedding``, as `predict`,
        `predict_proba`, `predict` and `transform` return them, up to rounding. An output with
        the name of a column gets the suffix ``_``.

        The metadata contain ``sphereskl`` (its version), ``estimator``, ``inputs``, ``outputs``
        and ``classes`` as JSON. Invalid input that `predict` refuses, such as infinite numbers,
        is not refused.

        Networks of this package compute in float32, even with ``dtype="float64"``: onnxruntime
        lacks many operations in float64. Your own network computes in the type of `dtype`.
        """
        check_is_fitted(self)
        check_packages()
        estimator: Any = self
        classes = _labels(estimator)
        columns, levels = served_columns(estimator)
        with neutral_torch(), one_thread():
            predictions = TracedPredictions(estimator, levels)
            network = exported(predictions, _sample(estimator))
        package: Any = sys.modules[__name__.partition(".")[0]]
        about = {"sphereskl": package.__version__, "estimator": type(self).__name__}
        if classes is not None:
            about["classes"] = classes.tolist()
        content = put_together(network, predictions.names, columns, classes, about)
        replace_file(os.path.realpath(path), content)


def _labels(estimator: Any) -> Any:
    """Return the labels of a fitted classifier."""
    classes = getattr(estimator.target_encoder_, "classes_", None)
    if classes is not None and not holds_labels(classes):
        raise ValueError(
            f"y was fitted with labels such as {classes.tolist()[0]!r} of dtype {classes.dtype}, "
            "for which ONNX has no tensor; make them strings or numbers and fit again."
        )
    return classes


def _sample(estimator: Any) -> torch.Tensor:
    """Return rows of zeros of the same type as the samples of the fit."""
    kind = getattr(torch, getattr(estimator.encoder_, "dtype_in_", "float64"))
    return torch.zeros(_SAMPLES, *estimator._sample_shape, dtype=kind)
