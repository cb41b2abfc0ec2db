"""Arrays of other libraries and memory layouts, as NumPy and torch share them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FLOATS_OF_NUMPY = (torch.float16, torch.float32, torch.float64)


def as_tensor(X: np.ndarray) -> Tensor:
    """Share an array's memory as a tensor if torch can, which needs it writable and in order."""
    if X.dtype == np.longdouble:
        X = X.astype(np.float64)
    in_order = X.flags.c_contiguous or X.flags.f_contiguous
    if X.flags.writeable and X.dtype.isnative and in_order:
        return torch.from_numpy(X)
    return torch.from_numpy(np.array(X, dtype=X.dtype.newbyteorder("="), order="C"))


def check_dtype(name: Any) -> None:
    """Refuse anything but the name of a type: names can be stored in any format."""
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {name!r}.")


def as_array(name: str, values: Tensor) -> NDArray[Any]:
    """Turn a torch tensor into an array.

    Parameters
    ----------
    name : str
        Name of the values in errors.
    values : Tensor
        On any device.

    Returns
    -------
    values : ndarray
        Sharing memory if possible.

    Raises
    ------
    ValueError
        If the tensor requires grad, is sparse, or holds no numbers.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.preprocessing import as_array
    >>> as_array("X", torch.tensor([1.5], dtype=torch.bfloat16))
    array([1.5], dtype=float32)
    """
    if values.requires_grad:
        raise ValueError(
            f"{name} is a torch tensor that requires grad, which fitting would silently cut off; "
            f"pass {name}.detach()."
        )
    if values.is_meta:
        raise ValueError(f"{name} is a torch tensor on the device 'meta', which holds no numbers.")
    if values.is_quantized:
        values = values.dequantize()
    if values.is_nested or values.layout != torch.strided:
        raise ValueError(f"{name} is a sparse or nested torch tensor; pass {name}.to_dense().")
    if values.is_floating_point() and values.dtype not in _FLOATS_OF_NUMPY:
        values = values.float()  # exact: bfloat16 and 8-bit types are subsets of float32
    return values.cpu().resolve_conj().resolve_neg().numpy()
