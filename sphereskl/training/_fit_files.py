"""Files of interrupted fits: one per fit, or a folder of them."""

import os
from typing import Any

import safetensors.torch
import torch

from ._plain_values import unflatten
from ._sealed_files import SealedFiles, replace_file

FORMAT = 1

_FILES = SealedFiles("sphereskl_fit")
_ENDING = ".safetensors"
_WAY_OUT = "delete it, or pass another path to Resume"


def place_of(path: Any, name: str) -> str:
    """Return the file of a fit.

    Parameters
    ----------
    path : str or Path
        A file, or a folder that exists or whose name ends like one; it is created if needed.
    name : str
        Name of the fit, for its file in a folder.

    Returns
    -------
    path : str
        Path of the file.
    """
    given = os.fspath(path)
    if os.path.isdir(given) or given.endswith(("/", os.sep)):
        os.makedirs(given, exist_ok=True)
        return os.path.join(given, name + _ENDING)
    return os.path.realpath(given)


def write_fit(
    path: str, header: dict[str, Any], stored: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> None:
    """Write the state of a fit atomically: complete or not at all.

    Parameters
    ----------
    path : str
        The file; it is replaced once the new one is complete.
    header : dict
        Identity of the fit.
    stored, tensors : dict
        From `take_state`.

    Raises
    ------
    OSError
        If the file cannot be written; an existing one is kept.
    """
    replace_file(path, _FILES.pack({"format": FORMAT, **header, "state": stored}, tensors))


def read_fit(path: str, device: torch.device | str) -> dict[str, Any] | None:
    """Read the state of a fit, all of it or nothing.

    Parameters
    ----------
    path : str
        The file.
    device : torch.device or str
        Device of tensors that were not on the CPU.

    Returns
    -------
    header : dict or None
        The header, with values in ``state``; ``None`` if there is no file.

    Raises
    ------
    ValueError
        If the file is of another kind or version, or damaged.
    """
    if not os.path.lexists(path):
        return None
    if not os.path.isfile(path):  # a pipe would wait for a writer
        raise ValueError(f"{path!r} is a folder or a device; pass another path to Resume.")
    with open(path, "rb") as file:
        content = file.read()
    if content[8 : _FILES.seal.start] != _FILES.opening:
        raise ValueError(
            f"{path!r} is not a file of Resume, or its beginning is damaged; {_WAY_OUT}."
        )
    if not _FILES.is_whole(content):
        raise ValueError(f"{path!r} is damaged: its content does not fit its checksum; {_WAY_OUT}.")
    header = _FILES.header(content) or {}
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{path!r} has format {header.get('format')!r}, but this version of sphereskl resumes "
            f"from format {FORMAT}; end the fit with the version that began it, or {_WAY_OUT}."
        )
    tensors = safetensors.torch.load(content)
    state = {name: unflatten(v, tensors, device) for name, v in header["state"].items()}
    return {**header, "state": state}
