"""What people hand over as y, as weights and as validation rows."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
import torch

STAGES = np.array(["a", "b", "c"])


def _put(value, kind=object):
    def spoil(y):
        y = np.asarray(y).astype(kind)
        y[min(3, len(y) - 1)] = value
        return y

    return spoil


# From 0, 1, 2 (or, for values, numbers): what a column of targets may be.
COLUMNS = {
    **{
        kind: lambda y, kind=kind: y.astype(kind)
        for kind in ("bool", "i1", "i8", "u1", "u8", "f2", "f4", "f8", "g", ">i4", ">f8", "O")
    },
    "complex": lambda y: y + 1j,
    "strings": lambda y: STAGES[y.astype(int) % 3],
    "strings as objects": lambda y: STAGES[y.astype(int) % 3].astype(object),
    "StringDType": lambda y: STAGES[y.astype(int) % 3].astype(np.dtypes.StringDType()),
    "strings of numbers": lambda y: y.astype(str),
    "empty strings": lambda y: np.array(["", " ", "  "])[y.astype(int) % 3],
    "bytes": lambda y: np.array([b"a", b"b", b"c"])[y.astype(int) % 3],
    "bytes as objects": lambda y: np.array([b"a", b"b", b"c"], object)[y.astype(int) % 3],
    "dates": lambda y: y.astype("M8[D]"),
    "durations": lambda y: y.astype("m8[s]"),
    "dates as objects": lambda y: np.array(
        [datetime.date(2024, 1, 1 + int(v) % 3) for v in y], object
    ),
    "tuples": lambda y: [(int(v), 1) for v in y],
    "objects of tuples": lambda y: pd.Series([(int(v), 1) for v in y]).to_numpy(),
    "fractions": lambda y: np.array([Fraction(int(v), 3) for v in y], object),
    "decimals": lambda y: np.array([Decimal(int(v)) for v in y], object),
    "mixed": lambda y: np.array([int(v) if v > 1 else str(v) for v in y], object),
    "truth and numbers": lambda y: np.array([True, 2, 0.0], object)[y.astype(int) % 3],
    "None once": _put(None),
    "NA once": _put(pd.NA),
    "NaN once": _put(np.nan, float),
    "NaN among strings": lambda y: _put(np.nan)(STAGES[y.astype(int) % 3]),
    "infinity once": _put(np.inf, float),
    "all NaN": lambda y: y * np.nan,
    "all None": lambda y: [None] * len(y),
    "one class": lambda y: np.zeros(len(y), int),
    "one string": lambda y: ["a"] * len(y),
    "two classes": lambda y: y.astype(int) % 2,
    "two strings": lambda y: np.array(["no", "yes"])[y.astype(int) % 2],
    "minus one and one": lambda y: np.where(y > 1, 1, -1),
    "one against the rest": lambda y: (np.arange(len(y)) == 0).astype(int),
    "a class for every row": lambda y: np.arange(len(y)),
    "a string for every row": lambda y: [f"row {i}" for i in range(len(y))],
    "gaps between labels": lambda y: y.astype(int) * 1000 - 7,
    "huge labels": lambda y: y.astype(np.int64) + 2**53,
    "huge unsigned": lambda y: y.astype(np.uint64) + np.uint64(2**64 - 20),
    "labels beyond int64": lambda y: np.array([int(v) + 10**30 for v in y], object),
    "continuous": lambda y: y + np.linspace(0, 0.9, len(y)),
    "halves": lambda y: y / 2,
    "whole floats": lambda y: np.floor(y),
    "huge": lambda y: y * 1e307,
    "both ends": lambda y: np.where(np.arange(len(y)) % 2, 1.7e308, -1.7e308),
    "tiny": lambda y: y * 1e-310,
    "one ulp": lambda y: 1.0 + (np.arange(len(y)) % 2) * np.finfo(float).eps,
    "offset": lambda y: y + 1e12,
    "minus zero": lambda y: np.where(y > 0, 0.0, -0.0),
    "outlier": lambda y: np.where(np.arange(len(y)) == 3, 1e300, y),
    "beyond float64": lambda y: y.astype(np.longdouble) * np.longdouble("1e4000"),
    "short": lambda y: y[:-1],
    "long": lambda y: np.r_[y, y[:1]],
    "empty": lambda y: y[:0],
    "scalar": lambda y: 1,
    "0-d": lambda y: np.array(1.0),
    "None": lambda y: None,
    "string": lambda y: "label",
    "dict": lambda y: dict(enumerate(y.tolist())),
    "generator": lambda y: (v for v in y),
    "set": lambda y: set(y.tolist()),
    "range": lambda y: range(len(y)),
    "column": lambda y: y[:, None],
    "row": lambda y: y[None],
    "two columns": lambda y: np.c_[y, y[::-1]],
    "three columns": lambda y: np.c_[y, y, y],
    "no columns": lambda y: np.empty((len(y), 0)),
    "one-hot": lambda y: np.eye(3)[y.astype(int) % 3],
    "3-d": lambda y: np.zeros((len(y), 2, 2)),
    "ragged": lambda y: [[1], *([[1, 2]] * (len(y) - 1))],
    "sparse": lambda y: scipy.sparse.csr_array(y[:, None]),
    "masked": lambda y: np.ma.masked_equal(y, 2),
    "matrix": lambda y: np.asmatrix(y[:, None]),
    "read-only, backwards": lambda y: np.broadcast_to(y, (2, len(y)))[0][::-1],
    "list": lambda y: y.tolist(),
    "tuple": lambda y: tuple(y.tolist()),
    "list of strings": lambda y: STAGES[y.astype(int) % 3].tolist(),
    "list of tensors": lambda y: list(torch.from_numpy(y.astype(float))),
    **{
        f"tensor {kind}": lambda y, kind=kind: torch.from_numpy(y.astype(float)).to(
            getattr(torch, kind)
        )
        for kind in ("bool", "uint8", "int64", "float16", "bfloat16", "float32", "complex64")
    },
    "tensor with gradient": lambda y: torch.from_numpy(y.astype(float)).requires_grad_(),
    "tensor column": lambda y: torch.from_numpy(y.astype(float))[:, None],
    "0-d tensor": lambda y: torch.tensor(1),
    "Series": pd.Series,
    "Series, other index": lambda y: pd.Series(y, index=np.arange(len(y))[::-1] + 100),
    "Series, MultiIndex": lambda y: (
        pd.Series(y, index=pd.MultiIndex.from_product([[1], y])[: len(y)])
        if len(set(y.tolist())) == len(y)
        else pd.Series(y)
    ),
    "Series, name is a number": lambda y: pd.Series(y, name=7),
    "Index": lambda y: pd.Index(y),
    "Int8": lambda y: pd.Series(y.astype("i1"), dtype="Int8"),
    "Float32": lambda y: pd.Series(y, dtype="Float32"),
    "boolean": lambda y: pd.Series(y > 1, dtype="boolean"),
    "boolean with NA": lambda y: pd.Series([pd.NA, *(y[1:] > 1)], dtype="boolean"),
    "Int64 with NA": lambda y: pd.Series([pd.NA, *y[1:].astype(int)], dtype="Int64"),
    "string dtype": lambda y: pd.Series(STAGES[y.astype(int) % 3], dtype="string"),
    "string dtype with NA": lambda y: pd.Series(
        [pd.NA, *STAGES[y[1:].astype(int) % 3]], dtype="string"
    ),
    "string of arrow": lambda y: pd.Series(STAGES[y.astype(int) % 3], dtype="string[pyarrow]"),
    "int of arrow": lambda y: pd.Series(y.astype("i2"), dtype="int16[pyarrow]"),
    "Categorical": lambda y: pd.Categorical(STAGES[y.astype(int) % 3]),
    "Categorical of numbers": lambda y: pd.Series(pd.Categorical(y.astype(int) % 3)),
    "Categorical with NaN": lambda y: pd.Categorical([None, *STAGES[y[1:].astype(int) % 3]]),
    "Categorical, unused level": lambda y: pd.Categorical(STAGES[y.astype(int) % 3], list("zcbad")),
    "ordered Categorical": lambda y: pd.Series(
        pd.Categorical(STAGES[y.astype(int) % 3], list("cab"), ordered=True)
    ),
    "intervals": lambda y: pd.cut(y.astype(float), 3),
    "Series of intervals": lambda y: pd.Series(pd.cut(y.astype(float), 3)),
    "Series of dates": lambda y: pd.Series(pd.to_datetime(y.astype(int), unit="D")),
    "Series of periods": lambda y: pd.Series(pd.PeriodIndex.from_ordinals(y.astype(int), freq="D")),
    "Series of lists": lambda y: pd.Series([[v] for v in y.tolist()]),
    "frame": lambda y: pd.DataFrame({"y": y}),
    "frame of two": lambda y: pd.DataFrame({"a": y, "b": y[::-1]}),
    "empty frame": lambda y: pd.DataFrame(),
    "polars": lambda y: pl.Series("y", y),
    "polars strings": lambda y: pl.Series("y", STAGES[y.astype(int) % 3]),
    "polars Categorical": lambda y: pl.Series(STAGES[y.astype(int) % 3], dtype=pl.Categorical),
    "polars Enum": lambda y: pl.Series(STAGES[y.astype(int) % 3], dtype=pl.Enum(list("cab"))),
    "polars with null": lambda y: pl.Series([None, *y[1:].tolist()]),
    "polars dates": lambda y: pl.Series(y.astype("M8[D]")),
    "polars frame": lambda y: pl.DataFrame({"y": y}),
    "arrow": lambda y: pa.array(y),
    "arrow strings": lambda y: pa.array(STAGES[y.astype(int) % 3]),
    "arrow chunks": lambda y: pa.chunked_array([y[:5], y[5:]]),
    "arrow table": lambda y: pa.table({"y": y}),
}

# From ones: what weights may be.
WEIGHTS = {
    "ones": lambda w: w,
    "zeros": lambda w: w * 0,
    "one positive": lambda w: np.eye(len(w))[0],
    "two positive": lambda w: np.eye(len(w))[:2].sum(axis=0),
    "every second": lambda w: np.arange(len(w)) % 2,
    "negative": lambda w: -w,
    "one negative": _put(-1e-9, float),
    "NaN": _put(np.nan, float),
    "infinity": _put(np.inf, float),
    "None once": _put(None),
    "1e308": lambda w: w * 1e308,
    "1e-308": lambda w: w * 1e-308,
    "5e-324": lambda w: w * 5e-324,
    "1e308 and 1e-308": lambda w: np.where(np.arange(len(w)) % 2, 1e308, 1e-308),
    "minus zero": lambda w: np.where(np.arange(len(w)) % 2, 1.0, -0.0),
    "short": lambda w: w[:-1],
    "long": lambda w: np.r_[w, 1],
    "empty": lambda w: w[:0],
    "column": lambda w: w[:, None],
    "square": lambda w: np.ones((len(w), len(w))),
    "3-d": lambda w: np.ones((len(w), 1, 1)),
    "0-d": lambda w: np.array(2.0),
    "number": lambda w: 2.0,
    "zero": lambda w: 0,
    "negative number": lambda w: -1.0,
    "string": lambda w: "balanced",
    "strings": lambda w: ["1"] * len(w),
    "words": lambda w: ["a"] * len(w),
    "bytes": lambda w: [b"1"] * len(w),
    "dates": lambda w: w.astype("M8[D]"),
    "complex": lambda w: w + 0j,
    "bool": lambda w: np.arange(len(w)) % 2 == 0,
    "integers": lambda w: np.arange(len(w)),
    "uint8": lambda w: np.full(len(w), 255, np.uint8),
    "float16": lambda w: w.astype(np.float16) * 60000,
    "longdouble": lambda w: w.astype(np.longdouble) * np.longdouble("1e4000"),
    "objects": lambda w: w.astype(object),
    "dict": lambda w: {0: 1.0, 1: 2.0},
    "list": lambda w: w.tolist(),
    "tuple": lambda w: tuple(w.tolist()),
    "generator": lambda w: iter(w.tolist()),
    "tensor": lambda w: torch.from_numpy(w),
    "tensor bfloat16": lambda w: torch.from_numpy(w).bfloat16(),
    "tensor with gradient": lambda w: torch.from_numpy(w).requires_grad_(),
    "0-d tensor": lambda w: torch.tensor(2.0),
    "Series": pd.Series,
    "Series, other index": lambda w: pd.Series(w, index=np.arange(len(w))[::-1]),
    "nullable": lambda w: pd.Series(w, dtype="Float64"),
    "nullable with NA": lambda w: pd.Series([pd.NA, *w[1:]], dtype="Float64"),
    "polars": pl.Series,
    "arrow": pa.array,
    "frame": lambda w: pd.DataFrame({"w": w}),
    "sparse": lambda w: scipy.sparse.csr_array(w[:, None]),
    "masked": lambda w: np.ma.masked_array(w, np.arange(len(w)) % 2),
    "read-only": lambda w: np.broadcast_to(1.0, len(w)),
}

# From X and y of the same estimator: validation rows.
JUDGES = {
    "the same": lambda X, y: (X, y),
    "one row": lambda X, y: (X[:1], y[:1]),
    "two rows": lambda X, y: (X[:2], y[:2]),
    "no rows": lambda X, y: (X[:0], y[:0]),
    "lists": lambda X, y: (X.tolist(), y.tolist()),
    "frames": lambda X, y: (pd.DataFrame(X, columns=list("abcd")), pd.Series(y)),
    "tensors": lambda X, y: (torch.from_numpy(X), torch.from_numpy(y)),
    "backwards": lambda X, y: (X[::-1], y[::-1]),
    "integers": lambda X, y: (X.astype(int), y),
    "X only": lambda X, y: (X, None),
    "y only": lambda X, y: (None, y),
    "narrow": lambda X, y: (X[:, :2], y),
    "wide": lambda X, y: (np.c_[X, X], y),
    "1-d": lambda X, y: (X[:, 0], y),
    "3-d": lambda X, y: (X.reshape(-1, 2, 2), y),
    "short y": lambda X, y: (X, y[:-1]),
    "other labels": lambda X, y: (X, y + 10),
    "strings": lambda X, y: (X, y.astype(str)),
    "one label": lambda X, y: (X[y == y[0]], y[y == y[0]]),
    "y NaN": lambda X, y: (X, y * np.nan),
    "y None": lambda X, y: (X, [None] * len(y)),
    "y infinite": lambda X, y: (X, y * 0 + np.inf),
    "y 1e308": lambda X, y: (X, y * 0 + 1.7e308),
    "y of two columns": lambda X, y: (X, np.c_[y, y]),
    "X NaN": lambda X, y: (X * np.nan, y),
    "X gaps": lambda X, y: (np.where(X > 5, np.nan, X), y),
    "X infinite": lambda X, y: (X + np.inf, y),
    "X 1e308": lambda X, y: ((X - 4.5) * 3.9e307, y),
    "X strings": lambda X, y: (X.astype(str), y),
    "X sparse": lambda X, y: (scipy.sparse.csr_array(X), y),
    "X complex": lambda X, y: (X + 1j, y),
    "a string": lambda X, y: ("rows", "labels"),
    "numbers": lambda X, y: (1, 1),
    "swapped": lambda X, y: (y, X),
    "dict": lambda X, y: ({"X": X}, {"y": y}),
}
