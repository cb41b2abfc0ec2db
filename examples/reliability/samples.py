"""What people hand over as X: the same numbers in many forms, and things that are not tables."""

import datetime
import tempfile
from collections import OrderedDict, UserList, deque, namedtuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
import torch

Row = namedtuple("Row", "a b c d")


def numbers(rng, n_rows, n_columns=4):
    """Return small whole numbers as float64, which every type of numbers holds exactly."""
    x = rng.integers(0, 10, (n_rows, n_columns)).astype(np.float64)
    x[: min(n_rows, 2)] = 0.0, *(1.0 for _ in range(n_columns - 1))
    return x


def frame(x):
    return pd.DataFrame(x, columns=list("abcdefgh")[: x.shape[1]])


class Marked(np.ndarray):
    """A subclass of ndarray, as libraries of units have."""


class Arraylike:
    """Something that numpy reads through its protocol."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return np.array(self.x, dtype=dtype)


def _memmap(x, mode):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, x)
        return np.load(file.name, mmap_mode=mode)


def _unaligned(x):
    raw = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:].view(np.uint8)
    out = np.frombuffer(raw.data, dtype=np.float64).reshape(x.shape)
    out[:] = x
    return out


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def _strided(x):
    wide = np.full((2 * len(x), 3 * x.shape[1]), 77.0)
    wide[::2, ::3] = x
    return wide[::2, ::3]


def _field(x):
    # A column block inside records: strides that are no multiple of the item.
    records = np.zeros(len(x), dtype=[("flag", "i1"), ("x", "f8", (x.shape[1],))])
    records["x"] = x
    return records["x"]


def _shuffled_index(x):
    return frame(x).set_index(np.arange(len(x))[::-1] * 3)


def _multi_index(x):
    table = frame(x)
    table.index = pd.MultiIndex.from_arrays([np.arange(len(x)) % 2, np.arange(len(x))])
    return table


def _arrow_chunks(x):
    whole = pa.Table.from_pandas(frame(x), preserve_index=False)
    return pa.concat_tables([whole.slice(0, len(x) // 2), whole.slice(len(x) // 2)])


# The same numbers: the model must have the same bits as for the float64 array.
SAME = {
    **{kind: lambda x, kind=kind: x.astype(kind) for kind in ("i1", "i2", "i4", "i8")},
    **{kind: lambda x, kind=kind: x.astype(kind) for kind in ("u1", "u2", "u4", "u8")},
    **{kind: lambda x, kind=kind: x.astype(kind) for kind in ("f2", "f4", "f8", "g")},
    **{kind: lambda x, kind=kind: x.astype(kind) for kind in (">f8", ">i4", ">f4", ">u2")},
    "Fortran": np.asfortranarray,
    "strided": _strided,
    "records field": _field,
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _read_only,
    "unaligned": _unaligned,
    "memmap": lambda x: _memmap(x, "r"),
    "memmap copy on write": lambda x: _memmap(np.asfortranarray(x), "c"),
    "subclass": lambda x: x.view(Marked),
    "masked, nothing masked": lambda x: np.ma.masked_array(x),
    "array protocol": Arraylike,
    "objects": lambda x: x.astype(object),
    "objects, whole": lambda x: x.astype(int).astype(object),
    "objects of numpy": lambda x: np.array([[np.float32(v) for v in row] for row in x], object),
    "list": lambda x: x.tolist(),
    "tuple of tuples": lambda x: tuple(map(tuple, x.tolist())),
    "list of arrays": list,
    "list of tensors": lambda x: list(torch.from_numpy(x)),
    "named tuples": lambda x: [Row(*row) for row in x.tolist()],
    "UserList": lambda x: UserList(x.tolist()),
    "deque": lambda x: deque(x.tolist()),
    "list of integers and floats": lambda x: [[int(a), *row] for a, *row in x.tolist()],
    **{
        f"tensor {kind}": lambda x, kind=kind: torch.from_numpy(x).to(getattr(torch, kind))
        for kind in ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16")
    },
    **{
        f"tensor {kind}": lambda x, kind=kind: torch.from_numpy(x).to(getattr(torch, kind))
        for kind in ("float32", "float64", "uint16", "uint32", "uint64")
    },
    "tensor, transposed": lambda x: torch.from_numpy(x.T.copy()).T,
    "tensor, expanded": lambda x: torch.from_numpy(x)[None].expand(1, -1, -1)[0],
    "parameter without gradient": lambda x: torch.nn.Parameter(torch.from_numpy(x), False),
    "pandas": frame,
    "pandas f4": lambda x: frame(x).astype("f4"),
    "pandas i1": lambda x: frame(x).astype("i1"),
    "pandas mixed": lambda x: frame(x).astype({"a": "i8", "b": "f4", "c": "u1"}),
    "pandas nullable": lambda x: frame(x).convert_dtypes(),
    "pandas Float32": lambda x: frame(x).astype("Float32"),
    "pandas UInt8": lambda x: frame(x).astype("UInt8"),
    "pandas of arrow": lambda x: frame(x).astype("int16[pyarrow]"),
    "pandas of objects": lambda x: frame(x).astype(object),
    "pandas, shuffled index": _shuffled_index,
    "pandas, MultiIndex": _multi_index,
    "pandas, dates as index": lambda x: frame(x).set_index(
        pd.date_range("2024", periods=len(x), freq="h")
    ),
    "pandas, equal index": lambda x: frame(x).set_index(np.zeros(len(x), int)),
    "pandas, columns by number": lambda x: pd.DataFrame(x),
    "pandas, columns by tuple": lambda x: pd.DataFrame(
        x, columns=pd.MultiIndex.from_product([["u", "v"], ["a", "b"]])
    ),
    "pandas, odd names": lambda x: pd.DataFrame(x, columns=["", " ", "x\ny", "é[<]"]),
    "polars": lambda x: pl.DataFrame(x, schema=list("abcd")),
    "polars i8": lambda x: pl.DataFrame(x.astype("i1"), schema=list("abcd")),
    "polars f4": lambda x: pl.DataFrame(x.astype("f4"), schema=list("abcd")),
    "polars decimal": lambda x: pl.DataFrame(x, schema=list("abcd")).cast(pl.Decimal(10, 2)),
    "arrow": lambda x: pa.Table.from_pandas(frame(x), preserve_index=False),
    "arrow, chunks": _arrow_chunks,
    "arrow i2": lambda x: pa.Table.from_pandas(frame(x.astype("i2")), preserve_index=False),
}


def _with(value, row=3, column=1, kind=np.float64):
    def spoil(x):
        x = x.astype(kind)
        if len(x):
            x[row % len(x), column] = value
        return x

    return spoil


def _column(make):
    """Return a frame whose second column is another one."""
    return lambda x: frame(x).assign(b=make(len(x)))


def _level(n):
    return np.array(["red", "green", "blue"])[np.arange(n) % 3]


def _gaps(x):
    x = x.copy()
    x[::3, 1] = x[1::4, 2] = np.nan
    return x


def _duplicated(x):
    table = frame(x)
    table.columns = ["a", "b", "a", "d"]
    return table


def _ragged(x):
    rows = x.tolist()
    rows[-1] = rows[-1][:-1]
    return rows


def _cyclic(x):
    rows = x.astype(object)
    rows[0, 0] = rows
    return rows


WHEN = datetime.datetime(2024, 5, 17, 8, 30)

# Anything else: a finite result or a refusal in words.
ODD = {
    "bool": lambda x: x > 4,
    "complex": lambda x: x + 1j,
    "complex objects": lambda x: (x + 1j).astype(object),
    "complex64": lambda x: x.astype(np.complex64),
    "strings of numbers": lambda x: x.astype(str),
    "strings": lambda x: np.array(["red", "blue", ""])[x.astype(int) % 3],
    "bytes": lambda x: np.array([b"red", b"blue", b""])[x.astype(int) % 3],
    "StringDType": lambda x: x.astype(str).astype(np.dtypes.StringDType()),
    "dates": lambda x: x.astype("M8[D]"),
    "durations": lambda x: x.astype("m8[s]"),
    "void": lambda x: np.zeros(x.shape, "V4"),
    "records": lambda x: np.array([tuple(r) for r in x], "f8,f8,f8,f8"),
    "objects of everything": lambda x: np.array(
        [[1, "a", None, 2.5]] * len(x) if len(x) else np.empty((0, 4)), object
    ),
    "objects of lists": lambda x: np.array([[[1]] * 4] * len(x) + [[None] * 4], object)[:-1],
    "objects of dicts": lambda x: np.array([[{"a": 1}] * 4] * len(x), object),
    "objects of dates": lambda x: np.array([[WHEN, 1.0, 2.0, 3.0]] * len(x), object),
    "objects of bytes": lambda x: np.array([[b"a", 1.0, 2.0, 3.0]] * len(x), object),
    "huge integers as objects": lambda x: np.array([[10**400, 1, 2, 3]] * len(x), object),
    "big integers": lambda x: x.astype(np.int64) * (2**62 // 9),
    "big unsigned": lambda x: x.astype(np.uint64) * np.uint64(2**64 // 10),
    "its own element": _cyclic,
    "truth as objects": lambda x: (x > 4).astype(object),
    "None among objects": _with(None, kind=object),
    "NA among objects": _with(pd.NA, kind=object),
    "NaT among objects": _with(pd.NaT, kind=object),
    "infinity among objects": _with(np.inf, kind=object),
    "NaN": _with(np.nan),
    "infinity": _with(np.inf),
    "minus infinity": _with(-np.inf, kind=np.float32),
    "NaN in float16": _with(np.nan, kind=np.float16),
    "all NaN": lambda x: x * np.nan,
    "a column of NaN": lambda x: x * [1, np.nan, 1, 1],
    "gaps": _gaps,
    "missing values in tensor": lambda x: torch.from_numpy(_gaps(x)),
    "1e308": lambda x: (x - 4.5) * 3.9e307,
    "1e308 once": _with(1.7e308),
    "1e38 in float32": lambda x: ((x - 4.5) * 7e37).astype(np.float32),
    "60000 in float16": lambda x: (x * 6500).astype(np.float16),
    "huge in longdouble": lambda x: x.astype(np.longdouble) * np.longdouble("1e4000"),
    "1e-320": lambda x: x * 1e-320,
    "1e-40 in float32": lambda x: (x * 1e-40).astype(np.float32),
    "one subnormal": _with(5e-324),
    "minus zero": lambda x: np.where(x > 4, -0.0, 0.0),
    "zeros": lambda x: x * 0.0,
    "constant": lambda x: x * 0.0 + 7.3,
    "constant columns": lambda x: x * [0, 1, 0, 1] + 0.1,
    "offset 1e15": lambda x: x + 1e15,
    "equal rows": lambda x: np.repeat(x[:1], len(x), axis=0),
    "broadcast row": lambda x: np.broadcast_to(x[:1], x.shape),
    "0 rows": lambda x: x[:0],
    "1 row": lambda x: x[:1],
    "2 rows": lambda x: x[:2],
    "3 rows": lambda x: x[:3],
    "0 columns": lambda x: x[:, :0],
    "1 column": lambda x: x[:, :1],
    "200 columns": lambda x: np.tile(x, 50),
    "0-d": lambda x: np.float64(3.0),
    "0-d array": lambda x: np.array(3.0),
    "0-d tensor": lambda x: torch.tensor(3.0),
    "1-d": lambda x: x[:, 0],
    "1-d tensor": lambda x: torch.from_numpy(x[:, 0].copy()),
    "1-d list": lambda x: x[:, 0].tolist(),
    "Series": lambda x: frame(x)["a"],
    "polars Series": lambda x: pl.Series(x[:, 0]),
    "arrow array": lambda x: pa.array(x[:, 0]),
    "3-d": lambda x: x.reshape(-1, 2, 2),
    "4-d": lambda x: x.reshape(-1, 1, 2, 2),
    "5-d": lambda x: x.reshape(-1, 1, 2, 2, 1),
    "3-d list": lambda x: x.reshape(-1, 2, 2).tolist(),
    "4-d of nothing": lambda x: np.empty((len(x), 0, 2, 2)),
    "masked": lambda x: np.ma.masked_greater(x, 6),
    "matrix": np.asmatrix,
    "sparse matrix": scipy.sparse.csr_matrix,
    "sparse array": scipy.sparse.coo_array,
    "sparse 1-d array": lambda x: scipy.sparse.coo_array(x[:, 0]),
    "sparse tensor": lambda x: torch.from_numpy(x).to_sparse(),
    "quantised tensor": lambda x: torch.quantize_per_tensor(
        torch.from_numpy(x).float(), 0.1, 0, torch.qint8
    ),
    "complex tensor": lambda x: torch.from_numpy(x) + 1j,
    "bool tensor": lambda x: torch.from_numpy(x) > 4,
    "meta tensor": lambda x: torch.from_numpy(x).to("meta"),
    "tensor with gradient": lambda x: torch.from_numpy(x).requires_grad_(),
    "nested tensor": lambda x: torch.nested.as_nested_tensor(list(torch.from_numpy(x))),
    "generator": lambda x: (row for row in x),
    "iterator": lambda x: iter(x.tolist()),
    "range": lambda x: range(len(x)),
    "set": lambda x: set(x[:, 0].tolist()),
    "map": lambda x: map(list, x),
    "None": lambda x: None,
    "Ellipsis": lambda x: ...,
    "a string": lambda x: "samples.csv",
    "a function": lambda x: np.mean,
    "a type": lambda x: np.ndarray,
    "list of strings": lambda x: ["a"] * len(x),
    "list of None": lambda x: [None] * len(x),
    "list of lists of None": lambda x: [[None] * 4] * len(x),
    "empty list": lambda x: [],
    "list of empty lists": lambda x: [[] for _ in x],
    "ragged": _ragged,
    "mixed list": lambda x: [[a, "red", *row] for a, _, *row in x.tolist()],
    "dict of columns": lambda x: frame(x).to_dict("list"),
    "OrderedDict": lambda x: OrderedDict(a=x[:, 0]),
    "list of dicts": lambda x: frame(x).to_dict("records"),
    "list of Series": lambda x: [row for _, row in frame(x).iterrows()],
    "Dataset": lambda x: torch.utils.data.TensorDataset(torch.from_numpy(x)),
    "pandas sparse": lambda x: frame(x).astype(pd.SparseDtype(float, 0.0)),
    "empty frame": lambda x: pd.DataFrame(),
    "frame of 0 rows": lambda x: frame(x)[:0],
    "frame of 0 columns": lambda x: pd.DataFrame(index=range(len(x))),
    "empty polars": lambda x: pl.DataFrame(),
    "empty arrow": lambda x: pa.table({}),
    "lazy polars": lambda x: pl.DataFrame(x).lazy(),
    "record batch": lambda x: pa.RecordBatch.from_pandas(frame(x)),
    "duplicated names": _duplicated,
    "names of mixed types": lambda x: pd.DataFrame(x, columns=["a", 1, "c", 2.5]),
    "names of None": lambda x: pd.DataFrame(x, columns=[None, "b", "c", "d"]),
    "grouped": lambda x: frame(x).groupby("a"),
    "levels": _column(_level),
    "category": _column(lambda n: pd.Categorical(_level(n))),
    "category without use": _column(lambda n: pd.Categorical(_level(n), list("xyz"))),
    "category of numbers": _column(lambda n: pd.Categorical(np.arange(n) % 3)),
    "category of intervals": _column(lambda n: pd.cut(np.arange(n) % 5.0, [-1, 1, 6])),
    "category of dates": _column(lambda n: pd.Categorical(pd.to_datetime(np.arange(n) % 3))),
    "ordered": _column(lambda n: pd.Categorical(_level(n), ["red", "green", "blue"], True)),
    "strings, nullable": _column(lambda n: pd.array([*_level(n)[1:], pd.NA][:n], "string")),
    "strings of arrow": _column(lambda n: pd.array(_level(n), "string[pyarrow]")),
    "truth, nullable": _column(lambda n: pd.array([True, None, False] * n, "boolean")[:n]),
    "integers, nullable": _column(lambda n: pd.array([1, None, 3] * n, "Int8")[:n]),
    "text": _column(lambda n: [f"remark {i}" for i in range(n)]),
    "mixed column": _column(lambda n: ([1, "a", None, 2.5] * n)[:n]),
    "column of lists": _column(lambda n: [[1, 2]] * n),
    "column of arrays": _column(lambda n: [np.ones(2)] * n),
    "column of sets": _column(lambda n: [{1}] * n),
    "column of bytes": _column(lambda n: [b"a"] * n),
    "column of tuples": _column(lambda n: [(1, 2)] * n),
    "column of complex": _column(lambda n: np.arange(n) * 1j),
    "column of dates": _column(lambda n: pd.date_range("2024", periods=n)),
    "column with zone": _column(lambda n: pd.date_range("2024", periods=n, tz="UTC")),
    "column of periods": _column(lambda n: pd.period_range("2024", periods=n, freq="D")),
    "column of durations": _column(lambda n: pd.to_timedelta(np.arange(n), "s")),
    "column of intervals": _column(lambda n: pd.interval_range(0, n)),
    "column of None": _column(lambda n: [None] * n),
    "column of NA": _column(lambda n: pd.array([None] * n, "Int64")),
    "column of decimals": _column(lambda n: pd.array(range(n), "decimal128(9, 2)[pyarrow]")),
    "infinite column": _column(lambda n: np.full(n, np.inf)),
    "infinite, nullable": _column(lambda n: pd.array([np.inf] * n, "Float64")),
    "polars levels": lambda x: pl.from_pandas(frame(x)).with_columns(b=pl.Series(_level(len(x)))),
    "polars Enum": lambda x: pl.from_pandas(frame(x)).with_columns(
        b=pl.Series(_level(len(x)), dtype=pl.Enum(["red", "green", "blue"]))
    ),
    "polars Null": lambda x: pl.from_pandas(frame(x)).with_columns(b=None),
    "polars list": lambda x: pl.from_pandas(frame(x)).with_columns(b=pl.concat_list("a", "c")),
    "polars struct": lambda x: pl.from_pandas(frame(x)).with_columns(b=pl.struct("a", "c")),
    "polars object": lambda x: pl.from_pandas(frame(x)).with_columns(
        b=pl.Series([{1}] * len(x), dtype=pl.Object)
    ),
    "polars dates": lambda x: pl.from_pandas(frame(x)).with_columns(b=WHEN),
    "polars binary": lambda x: pl.from_pandas(frame(x)).with_columns(b=b"a"),
    "arrow dictionary": lambda x: pa.table(
        {"a": x[:, 0], "b": pa.array(_level(len(x))).dictionary_encode()}
    ),
    "arrow nulls": lambda x: pa.table({"a": x[:, 0], "b": pa.nulls(len(x))}),
    "arrow twice": lambda x: pa.Table.from_arrays([pa.array(x[:, 0])] * 2, names=["a", "a"]),
    "columns reversed": lambda x: frame(x)[list("dcba")],
    "a column more": lambda x: np.c_[x, x[:, :1]],
}
