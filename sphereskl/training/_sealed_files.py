"""Files that stand whole or not at all: tensors and JSON under a checksum over every bit."""

import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

_DIGITS = 64
_UNSEALED = "0" * _DIGITS
# A draft that nobody has written to for so long, in seconds, is of a writer that was killed.
_ABANDONED = 600


class SealedFiles:
    """Files of one kind, in the safetensors format.

    Parameters
    ----------
    kind : str
        Key of the metadata under which the header stands.

    Attributes
    ----------
    opening : bytes
        How every file begins after the eight bytes that hold the length of its header, so that
        the checksum is found, and compared, before anything is parsed.
    seal : slice
        Where the checksum stands.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self.opening = f'{{"__metadata__":{{"{kind}":"{{\\"checksum\\":\\"'.encode()
        self.seal = slice(8 + len(self.opening), 8 + len(self.opening) + _DIGITS)

    def pack(self, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytearray:
        """Return the bytes of a file.

        Parameters
        ----------
        header : dict
            Of what JSON can hold.
        tensors : dict of str to Tensor
            Under their names.

        Returns
        -------
        content : bytearray
            With its checksum.
        """
        sealed = {"checksum": _UNSEALED, **header}
        text = json.dumps(sealed, allow_nan=False, separators=(",", ":"))
        # Copies, since tensors that share memory cannot be stored.
        own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        content = bytearray(safetensors.torch.save(own, {self.kind: text}))
        content[self.seal] = self._checksum(content)
        return content

    def is_whole(self, content: bytes | bytearray) -> bool:
        """Tell whether the checksum fits.

        Parameters
        ----------
        content : bytes
            Of a file.

        Returns
        -------
        is_whole : bool
            False if any bit is another than it was.
        """
        return secrets.compare_digest(content[self.seal], self._checksum(content))

    def header(self, content: bytes | bytearray) -> dict[str, Any] | None:
        """Read the header.

        Parameters
        ----------
        content : bytes
            Of a file, or its beginning.

        Returns
        -------
        header : dict or None
            ``None`` if it is none of this kind.
        """
        length = int.from_bytes(content[:8], "little")
        try:
            text = json.loads(content[8 : 8 + length])["__metadata__"][self.kind]
            header = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        except (KeyError, TypeError, ValueError, RecursionError, MemoryError):
            return None
        return header if isinstance(header, dict) else None

    def _checksum(self, content: bytes | bytearray) -> bytes:
        """Return the checksum of a file's bytes, as if that in them were not there yet."""
        digest = hashlib.blake2b(digest_size=_DIGITS // 2)
        view = memoryview(content)
        for part in (view[: self.seal.start], _UNSEALED.encode(), view[self.seal.stop :]):
            digest.update(part)
        return digest.hexdigest().encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("A key occurs twice.")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def replace_file(path: str, content: bytes | bytearray) -> None:
    """Put a file into its place once all of it is on the disk.

    Parameters
    ----------
    path : str
        Where; a file that stands there stays until the new one is complete.
    content : bytes
        Of the file.

    Raises
    ------
    ValueError
        If a folder or a device stands there.
    OSError
        If the disk is full, the folder cannot be written to, and the like; a former file stands.
    """
    mode = None
    if os.path.lexists(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path!r} is a folder or a device; name a file to write.")
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", path)
    # Beside the file, since only within a file system is a change of name one step.
    folder, beginning = _draft_names(path)
    draft = os.path.join(folder, f"{beginning}{secrets.token_hex(8)}.tmp")
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


def clear_drafts(path: str) -> None:
    """Remove what writers of a file left that were killed, ten minutes after their last byte.

    Parameters
    ----------
    path : str
        The file. Drafts that another process may still be writing are left alone.
    """
    folder, beginning = _draft_names(path)
    for draft in Path(folder).glob(f"{beginning}*.tmp"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > _ABANDONED:
                draft.unlink()


def _draft_names(path: str) -> tuple[str, str]:
    """Return the folder of a file's drafts, and how their names begin, however long its own is."""
    folder, name = os.path.split(path)
    return folder, f".{hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()}-"
