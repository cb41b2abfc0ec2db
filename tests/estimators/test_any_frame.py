"""Whatever a frame holds: finite numbers come out, or an error that says what is wrong."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sphereskl import MLP, HypersphericalPrototypeClassifier, HypersphericalRegressor
from sphereskl.preprocessing import TableEncoder

FLOATS = st.floats(allow_nan=True, allow_infinity=False, width=64)
# What one value of a column may be, by what the column is about.
KINDS = {
    "float": FLOATS,
    "float32": st.floats(width=32),
    "integer": st.integers(-(2**53), 2**53),
    "small": st.integers(0, 3),
    "boolean": st.booleans(),
    "level": st.sampled_from(["a", "b", "ä", "", " a", "nan"]),
    "text": st.text(max_size=8),
    "number in a string": st.sampled_from(["1", "2.5", "-3e7"]),
    "date": st.just(datetime.datetime(2024, 5, 1)),
    "mixed": st.one_of(st.integers(0, 9), st.text(max_size=2), st.booleans()),
    "object": st.just({"a": 1}),
    "complex": st.complex_numbers(max_magnitude=9),
    "nothing": st.none(),
}


@st.composite
def columns(draw, n_samples):
    """Return one column: a kind, and values of which some are missing."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    gaps = draw(st.sampled_from([None, None, np.nan]))
    value = KINDS[kind] if draw(st.booleans()) else st.one_of(KINDS[kind], st.just(gaps))
    return draw(st.lists(value, min_size=n_samples, max_size=n_samples))


@st.composite
def frames(draw):
    """Return a frame and another one with the same names, for predictions."""
    n_samples = draw(st.integers(1, 12))
    made = [draw(columns(n_samples)) for _ in range(draw(st.integers(1, 4)))]
    later = [draw(st.one_of(st.just(column), columns(n_samples))) for column in made]
    dtypes = [draw(st.sampled_from([None, None, "category", "convert"])) for _ in made]

    def build(values):
        frame = pd.DataFrame({f"c{j}": pd.Series(v, dtype=object) for j, v in enumerate(values)})
        for name, dtype in zip(frame, dtypes, strict=True):
            if dtype == "category":
                frame[name] = pd.Categorical(frame[name].map(repr))
            elif dtype == "convert":
                frame[name] = frame[name].convert_dtypes()
            else:
                frame[name] = frame[name].infer_objects()
        return frame

    return build(made), build(later)


STEADY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _result(call):
    """Return what a call gives, None where it refuses in words; let any other error through."""
    try:
        return call()
    except (ValueError, TypeError) as error:
        if len(str(error)) < 20:
            raise
        return None


@given(pair=frames())
@STEADY
def test_a_table_encoder_gives_finite_numbers_or_an_error(pair):
    encoder = _result(lambda: TableEncoder().fit(pair[0]))
    for rows in pair if encoder else ():
        x = _result(lambda rows=rows: encoder.transform(rows))
        if x is not None:
            assert x.shape == (len(rows), encoder.columns_.n_columns)
            assert x.isfinite().all()


@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, HypersphericalRegressor])
@given(pair=frames(), data=st.data())
@STEADY
def test_an_estimator_gives_finite_numbers_or_an_error(cls, pair, data):
    n_samples = len(pair[0])
    y = data.draw(st.lists(st.integers(0, 2), min_size=n_samples, max_size=n_samples))
    y = np.array(y, dtype=float if cls is HypersphericalRegressor else int)
    model = cls(backbone=MLP((4,), n_members=2), max_epochs=1, random_state=0)
    fitted = _result(lambda: model.fit(pair[0], y))
    if fitted is None:
        assert not hasattr(model, "net_")
        return
    for rows in pair:
        z = _result(lambda rows=rows: fitted.transform(rows))
        if z is not None:
            assert np.isfinite(z).all()
            assert np.isfinite(fitted.predict(rows)).all()
    # What was fitted is understood again.
    assert len(fitted.transform(pair[0])) == n_samples


@given(pair=frames())
@STEADY
def test_polars_agrees_with_pandas(pair):
    frame = pair[0]
    try:
        same = pl.from_pandas(frame)
    except Exception:
        # What polars cannot hold is not a matter of ours.
        return
    expected = _result(lambda: TableEncoder().fit(frame).transform(frame))
    found = _result(lambda: TableEncoder().fit(same).transform(same))
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(found, expected)
