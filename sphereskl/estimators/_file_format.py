"""The bytes of a file: safetensors, a checksum of everything, and atomic writing."""

import os
import stat

import safetensors.torch

from ..training import SealedFiles, replace_file

FORMAT = 5

_FILES = SealedFiles("sphereskl")

_OTHER_KINDS = {
    b"\x80": "a pickle; read it with pickle or joblib if you trust where it came from",
    b"PK": "a zip archive; read it with skops.io.load or torch.load, whichever wrote it",
    b"x": "a compressed pickle; read it with joblib if you trust where it came from",
}


def write_file(path, header, tensors):
    """Write a header and tensors to a file atomically: complete or not at all.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced once the new one is complete.
    header : dict
        Anything that JSON can hold.
    tensors : dict of str to Tensor
        Tensors by name.

    Raises
    ------
    OSError
        If the disk is full, the folder is not writable, etc.; an existing file is kept.
    """
    content = _FILES.pack({"format": FORMAT, **header}, tensors)
    replace_file(os.path.realpath(path), content)


def read_file(path):
    """Read what `write_file` wrote, all of it or nothing.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    header : dict
        With ``checksum`` and ``format``.
    tensors : dict of str to Tensor
        On the CPU.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If the file is of another kind or version, or damaged.
    """
    content = _read_whole(path)
    if not _FILES.is_whole(content):
        raise _damaged(path, "its content does not fit its checksum")
    header = _FILES.header(content)
    if header is None:
        raise _damaged(path, "its header is not one of save")
    if header.get("format") != FORMAT:
        raise ValueError(_other_version(path, header.get("format")))
    try:
        return header, safetensors.torch.load(content)
    except Exception as error:  # The library's errors are not ValueErrors, and of several types.
        raise _damaged(path, "its tensors cannot be read") from error


def _read_whole(path):
    """Return all bytes of a file, after checking its first bytes and its length."""
    # Before opening it: a pipe would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{str(path)!r} is a folder or a device; name a file that save wrote.")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_FILES.seal.stop)
        length = int.from_bytes(start[:8], "little")
        if start[8 : _FILES.seal.start] != _FILES.opening:
            header = start + file.read(length) if length <= min(size, 10**8) else b""
            raise ValueError(_explain(path, size, start, _FILES.header(header)))
        if length > size - 8:
            raise _damaged(path, "it ends within its header")
        return start + file.read()


def _explain(path, size, start, header):
    """Say what a file is that does not begin like ours."""
    if header is not None and "format" in header:
        return _other_version(path, header["format"])
    if not size:
        return f"{str(path)!r} is empty; save the model again."
    for beginning, kind in _OTHER_KINDS.items():
        if start.startswith(beginning) and not start[8:].startswith(b'{"'):
            return f"{str(path)!r} is {kind}, since load reads nothing but files of save."
    return (
        f"{str(path)!r} does not hold an estimator, or its beginning is damaged; load reads what "
        "save wrote: save the model again, or name another file."
    )


def _other_version(path, version):
    way_out = (
        "install the newer version"
        if isinstance(version, int) and version > FORMAT
        else "fit and save the model again, or load it with the version that wrote it"
    )
    return (
        f"{str(path)!r} has format {version!r}, but this version of sphereskl reads format "
        f"{FORMAT}; {way_out}."
    )


def _damaged(path, reason):
    return ValueError(
        f"{str(path)!r} is damaged: {reason}; copy it again from where it is whole, or save the "
        "model again."
    )
