"""The inputs of an exported estimator: one matrix, or one input per named column of a frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..preprocessing import TableEncoder


@dataclass(frozen=True)
class ServedColumn:
    """One column of a frame.

    Parameters
    ----------
    name : str
        Of the input.
    places : dict of str to int or None, default=None
        For a category of strings, the numbers of its levels, including `missing` if it had
        missing values in training. ``None`` for numbers.
    missing : str, default=""
        String that stands for a missing value.
    """

    name: str
    places: dict[str, int] | None = None
    missing: str = ""


def served_columns(estimator: Any) -> tuple[list[ServedColumn] | None, list[Any] | None]:
    """Describe the inputs of an exported estimator.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted.

    Returns
    -------
    columns : list of ServedColumn or None
        ``None`` for samples in one array.
    levels : list of (list or None) or None
        Levels of every category, for `sphereskl.preprocessing.traced`; ``None`` for images.

    Raises
    ------
    ValueError
        If no tensor can hold the values of a column, or a column has an empty name.
    """
    encoder, reader = estimator.encoder_, estimator._reader
    if not isinstance(encoder, TableEncoder):
        return None, None
    read_levels = reader.levels_ if reader is not None and reader.has_levels else None
    if read_levels is None and not hasattr(estimator, "feature_names_in_"):
        return None, encoder.levels_
    made_up = [f"x{j}" for j in range(estimator.n_features_in_)]
    names = [str(name) for name in getattr(estimator, "feature_names_in_", made_up)]
    _check_names(names)
    of_reader: Any = [None] * len(names) if read_levels is None else read_levels
    known = iter(encoder.levels_)
    columns, levels = [], []
    for name, is_category, read in zip(names, encoder.is_categorical_, of_reader, strict=True):
        column = ServedColumn(name)
        if is_category:
            values = _values_in_order(next(known), read)
            if any(isinstance(value, str) for value in read):
                column = _text_column(name, values, read)
            levels.append(_numbers(name, values) if column.places is None else None)
        columns.append(column)
    return columns, levels


def _check_names(names: list[str]) -> None:
    # Equal names are refused in fit.
    if "" in names:
        raise ValueError(
            "X was fitted with a column named '', which cannot name an input; give the column a "
            "name, and fit again."
        )


def _values_in_order(numbers: Any, read: list[Any]) -> list[Any]:
    """Return the values of a column in the order of the encoder's levels; None if missing."""
    found = [None if np.isnan(number) else number for number in np.asarray(numbers, float).tolist()]
    return [None if place is None else read[int(place)] for place in found]


def _text_column(name: str, values: list[Any], read: list[Any]) -> ServedColumn:
    odd = next((value for value in read if not isinstance(value, str)), None)
    if odd is not None:
        text = next(value for value in read if isinstance(value, str))
        raise ValueError(
            f"X was fitted with column {name!r}, which holds strings such as {text!r} and "
            f"{odd!r}, and no tensor of ONNX holds both; make all its values strings and fit again."
        )
    missing = ""
    while missing in read:
        missing = f"<missing{missing}>"
    places = {missing if value is None else value: j for j, value in enumerate(values)}
    return ServedColumn(name, places, missing)


def _numbers(name: str, values: list[Any]) -> list[float]:
    """Return numeric levels as float64 holds them, NaN if missing."""
    for value in values:
        if value is not None and float(value) != value:
            raise ValueError(
                f"X was fitted with the category {name!r}, whose level {value} has more digits "
                "than float64 holds; make its values strings and fit again."
            )
    return [np.nan if value is None else float(value) for value in values]
