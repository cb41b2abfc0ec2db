"""Files are replaced whole or not at all."""

import os
import re

import pytest

from sphereskl.training._sealed_files import replace_file


def test_a_file_that_may_not_be_written_stays(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"former")
    # The superuser, who runs some of the tests, may write everything.
    monkeypatch.setattr(os, "access", lambda asked, mode: mode != os.W_OK)
    with pytest.raises(PermissionError, match=re.escape(f"Permission denied: {str(path)!r}")):
        replace_file(str(path), b"other")
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"former"
