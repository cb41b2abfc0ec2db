"""The bytes of a file: safetensors, a checksum over every bit, and a place taken at once."""

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress

import safetensors.torch

FORMAT = 4

_DIGITS = 64
_UNSEALED = "0" * _DIGITS
# How every file begins after the eight bytes that hold the length of its header, so that the
# checksum is found, and compared, before anything is parsed.
_OPENING = b'{"__metadata__":{"sphereskl":"{\\"checksum\\":\\"'
_SEAL = slice(8 + len(_OPENING), 8 + len(_OPENING) + _DIGITS)

_OTHER_KINDS = {
    b"\x80": "a pickle; read it with pickle or joblib if you trust where it came from",
    b"PK": "a zip archive; read it with skops.io.load or torch.load, whichever wrote it",
    b"x": "a compressed pickle; read it with joblib if you trust where it came from",
}


def write_file(path, header, tensors):
    """Write a header and tensors to a file, which stands whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where; a file that stands there is replaced once the new one is complete.
    header : dict
        Of what JSON can hold.
    tensors : dict of str to Tensor
        Under their names.

    Raises
    ------
    OSError
        If the disk is full, the folder cannot be written to, and the like; a former file stands.
    """
    text = json.dumps(
        {"checksum": _UNSEALED, "format": FORMAT, **header}, allow_nan=False, separators=(",", ":")
    )
    # Copies, since tensors that share memory cannot be stored.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    content = bytearray(safetensors.torch.save(tensors, {"sphereskl": text}))
    content[_SEAL] = _checksum(content)
    _replace(os.path.realpath(path), content)


def read_file(path):
    """Read what `write_file` wrote, every bit of it or nothing.

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
        If it is another file, of another version, or damaged.
    """
    content = _read_whole(path)
    if not secrets.compare_digest(content[_SEAL], _checksum(content)):
        raise _damaged(path, "its content does not fit its checksum")
    header = _read_header(content)
    if header is None:
        raise _damaged(path, "its header is not one of save")
    if header.get("format") != FORMAT:
        raise ValueError(_other_version(path, header.get("format")))
    try:
        return header, safetensors.torch.load(content)
    except Exception as error:  # The library's errors are no ValueErrors, and of several kinds.
        raise _damaged(path, "its tensors cannot be read") from error


def _checksum(content):
    """Return the checksum of a file's bytes, as if that in them were not there yet."""
    digest = hashlib.blake2b(digest_size=_DIGITS // 2)
    view = memoryview(content)
    for part in (view[: _SEAL.start], _UNSEALED.encode(), view[_SEAL.stop :]):
        digest.update(part)
    return digest.hexdigest().encode()


def _read_whole(path):
    """Return all bytes of a file, which begins as ours do and is as long as it says."""
    # Before it is opened: a pipe would wait for somebody to write to it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{str(path)!r} is a folder or a device; name a file that save wrote.")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_SEAL.stop)
        length = int.from_bytes(start[:8], "little")
        if start[8 : _SEAL.start] != _OPENING:
            header = start + file.read(length) if length <= min(size, 10**8) else b""
            raise ValueError(_explain(path, size, start, _read_header(header)))
        if length > size - 8:
            raise _damaged(path, "it ends within its header")
        return start + file.read()


def _read_header(content):
    """Return what is written in a header, None if it is not ours."""
    length = int.from_bytes(content[:8], "little")
    try:
        text = json.loads(content[8 : 8 + length])["__metadata__"]["sphereskl"]
        header = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (KeyError, TypeError, ValueError, RecursionError, MemoryError):
        return None
    return header if isinstance(header, dict) else None


def _unique(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("A key occurs twice.")
    return dict(pairs)


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON.")


def _explain(path, size, start, header):
    """Say what a file is that does not begin as ours do."""
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


def _replace(path, content):
    """Put a file into its place once all of it is on the disk."""
    mode = None
    if os.path.lexists(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path!r} is a folder or a device; name a file to write.")
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", path)
    # Beside the file, since only within a file system is a change of name one step.
    draft = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}.tmp")
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(draft, stat.S_IMODE(mode))
        os.replace(draft, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(draft)
        if isinstance(error, OSError):
            error.filename = path  # the file that the user knows
        raise
