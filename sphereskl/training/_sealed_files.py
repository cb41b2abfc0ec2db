"""Files written atomically: tensors and JSON with a checksum of everything."""

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
# A draft that was not written to for so many seconds belongs to a process that was killed.
_ABANDONED = 600


class SealedFiles:
    """Files of one kind, in the safetensors format.

    Parameters
    ----------
    kind : str
        Key of the header in the metadata.

    Attributes
    ----------
    opening : bytes
        First bytes of every file after the eight bytes that hold the length of its header, so
        that the checksum is found, and compared, before anything is parsed.
    seal : slice
        Position of the checksum.
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
            Anything that JSON can hold.
        tensors : dict of str to Tensor
            Tensors by name.

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
        """Tell whether the checksum is correct.

        Parameters
        ----------
        content : bytes
            Of a file.

        Returns
        -------
        is_whole : bool
            False if any bit has changed.
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
            ``None`` for a file of another kind.
        """
        length = int.from_bytes(content[:8], "little")
        try:
            text = json.loads(content[8 : 8 + length])["__metadata__"][self.kind]
            header = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        except (KeyError, TypeError, ValueError, RecursionError, MemoryError):
            return None
        return header if isinstance(header, dict) else None

    def _checksum(self, content: bytes | bytearray) -> bytes:
        """Return the checksum of a file's bytes, without the checksum in them."""
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
    raise ValueError(f"{name} is not JSON.")


def replace_file(path: str, content: bytes | bytearray) -> None:
    """Put a file into its place once all of it is on disk (atomic replacement).

    Parameters
    ----------
    path : str
        Path; an existing file is kept until the new one is complete.
    content : bytes
        Content of the file.

    Raises
    ------
    ValueError
        If the path is a folder or a device.
    OSError
        If the disk is full, the folder is not writable, etc.; an existing file is kept.
    """
    mode = None
    if os.path.lexists(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path!r} is a folder or a device; name a file to write.")
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", path)
    # In the same folder, since a rename is atomic only within a file system.
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
    """Remove drafts of killed processes, ten minutes after their last write.

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
    """Return the folder of a file's drafts, and the prefix of their names, of limited length."""
    folder, name = os.path.split(path)
    return folder, f".{hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()}-"
