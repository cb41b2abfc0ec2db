"""A file is replaced by a whole one or not at all, and leaves nothing beside it."""

import os
import pickle
import stat
import subprocess
import sys

import numpy as np
import pytest

from sphereskl import load, save
from sphereskl.estimators import _file_format


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.safetensors"


@pytest.fixture
def before(path, iris, quick):
    """A model of which a file stands at `path`."""
    clf = quick(max_epochs=1).fit(*iris)
    save(clf, path)
    return clf


@pytest.fixture
def after(iris, quick):
    """A model to replace it."""
    return quick(max_epochs=2).fit(*iris)


def _stands(path, clf, X):
    """Whether the file at a path, alone in its folder, is that of a model."""
    assert os.listdir(path.parent) == [path.name]
    return np.array_equal(load(path).transform(X), clf.transform(X))


def test_a_file_is_replaced(path, before, after, iris):
    save(after, path)
    assert _stands(path, after, iris[0])


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_former_file_stands_if_anything_goes_wrong(
    step, error, path, before, after, iris, monkeypatch
):
    def fail(*args):
        raise error

    monkeypatch.setattr(_file_format.os, step, fail)
    with pytest.raises(type(error)):
        save(after, path)
    assert _stands(path, before, iris[0])


def test_the_former_file_stands_if_a_value_cannot_be_stored(path, before, after, iris):
    after.note_ = object()
    with pytest.raises(ValueError, match="note_ is <object"):
        save(after, path)
    assert _stands(path, before, iris[0])


def test_an_error_names_the_file_that_was_asked_for(after, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere/clf"):
        save(after, tmp_path / "nowhere" / "clf")


FULL = """
import resource, sys, pickle
from sphereskl import save
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    save(pickle.load(open(sys.argv[1], "rb")), sys.argv[2])
except OSError as error:
    print(error.strerror)
"""

KILLED = """
import os, pickle, signal, sys
from sphereskl import save
os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)
save(pickle.load(open(sys.argv[1], "rb")), sys.argv[2])
"""


@pytest.fixture
def in_another_process(after, tmp_path_factory, path):
    """Run a program that saves a model to `path`."""
    model = tmp_path_factory.mktemp("model") / "model.pkl"
    model.write_bytes(pickle.dumps(after))

    def run(script):
        command = [sys.executable, "-c", script, model, path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits of resources")
def test_the_former_file_stands_if_the_disk_is_full(path, before, in_another_process, iris):
    assert in_another_process(FULL).stdout.strip() == "File too large"
    assert _stands(path, before, iris[0])


@pytest.mark.skipif(sys.platform == "win32", reason="has no signal that kills")
def test_the_former_file_stands_if_the_process_is_killed(path, before, in_another_process, iris):
    assert in_another_process(KILLED).returncode == -9
    np.testing.assert_array_equal(load(path).transform(iris[0]), before.transform(iris[0]))


@pytest.mark.skipif(sys.platform == "win32", reason="has other permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_any_other(mask, path, after):
    old = os.umask(mask)
    try:
        save(after, path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(sys.platform == "win32", reason="has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_keeps_its_permissions(mode, path, before, after):
    path.chmod(mode)
    save(after, path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(sys.platform == "win32", reason="makes no links without rights to")
def test_a_link_still_leads_to_the_file(path, before, after, tmp_path_factory, iris):
    link = tmp_path_factory.mktemp("link") / "link"
    link.symlink_to(path)
    save(after, link)
    assert link.is_symlink()
    assert _stands(path, after, iris[0])


@pytest.mark.parametrize("kind", ["folder", "device"])
def test_what_is_no_file_is_not_replaced(kind, tmp_path, after):
    path = tmp_path / "folder" if kind == "folder" else os.devnull
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is a folder or a device; name a file"):
        save(after, path)
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_to_keeps_its_file(path, before, after, iris):
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=str(path)):
            save(after, path)
        assert _stands(path, before, iris[0])
    finally:
        path.parent.chmod(0o700)
