"""Checkpoints from which interrupted fits are resumed."""

import os
import time
import warnings
from dataclasses import dataclass, field
from inspect import isclass
from numbers import Integral, Real
from typing import Any

import torch
from skorch.callbacks import Callback, EarlyStopping, LoadInitState

from ._fit_files import place_of, read_fit, write_fit
from ._fit_identity import SILENT, circumstances, differences, identify, name_of
from ._fit_state import Snapshot, set_state, set_weights, take_state
from ._rows import Rows
from ._sealed_files import clear_drafts


@dataclass
class _Course:
    """A fit in progress: its identity, its file, and its progress."""

    path: str
    identity: dict[str, Any]
    begun: Snapshot
    n_before: int
    n_left: int
    n_unwritten: int = 0
    written: float = field(default_factory=time.monotonic)
    final: dict[str, Any] | None = None


class Resume(Callback):
    """Callback that writes checkpoints, from which an interrupted fit is resumed bit by bit.

    A fit with the same data, parameters and `random_state` that finds its file continues after
    the last epoch in it; a finished one is not trained again. On a CPU the result, including the
    bits of the weights and the history, is that of an uninterrupted fit.

    Parameters
    ----------
    path : str or Path
        A file, for one fit; or a folder that exists or whose name ends with a slash, for any
        number of fits, such as those of a search: each gets a file named after its identity.
    every_epochs : int, default=1
        Number of epochs between two checkpoints, at least 1; ``None`` goes by time only.
    every_seconds : float, default=None
        Time between two checkpoints, positive: write after the first epoch that ends this many
        seconds after the last one.

    Raises
    ------
    ValueError
        While fitting: if a file is damaged, or of another fit, with the differences;
        if the network or a callback holds something that a file without code cannot hold; in
        `partial_fit`, since a stream has no end.

    Notes
    -----
    A file holds weights, optimiser, schedule, random generators, history, and the state of
    callbacks: the best weights of early stopping, the means of `ReassignPrototypes`. Your own
    callbacks are stored by ``state_dict`` and ``load_state_dict``, or by those of their
    attributes that end in an underscore or have changed, if these are numbers, strings, tensors,
    arrays, or containers of these. A file is not a pickle, holds no training samples, has a
    checksum, and is replaced when the next one is complete. Functions are identified by their
    names, defaults and closures, not by their behaviour.

    See Also
    --------
    sphereskl.save : Files of fitted estimators.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sphereskl import HypersphericalPrototypeClassifier
    >>> from sphereskl.training import Resume
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     classifier = HypersphericalPrototypeClassifier(
    ...         max_epochs=3, callbacks=[Resume(folder)], random_state=0
    ...     )
    ...     first = classifier.fit(X, y).predict_proba(X)
    ...     again = classifier.fit(X, y).predict_proba(X)  # read, not trained
    >>> bool((first == again).all())
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every_epochs: int | None = 1,
        every_seconds: float | None = None,
    ):
        self.path = path
        self.every_epochs = every_epochs
        self.every_seconds = every_seconds

    def initialize(self):
        self.course_ = None
        return self

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.course_ = None
        _check("every_epochs", self.every_epochs, Integral, "an integer of at least 1 or None")
        _check("every_seconds", self.every_seconds, Real, "a positive number or None")
        if self.every_epochs is None and self.every_seconds is None:
            raise ValueError(
                "every_epochs and every_seconds are None, so that nothing would be written; set "
                "one of them."
            )
        if not isinstance(self.path, str | os.PathLike):
            raise ValueError(
                f"path must be a file or a folder, such as 'fit.safetensors', got {self.path!r}."
            )

    def begin(self, net: Any, train: Rows, valid: Rows | None, n_epochs: int) -> int:
        """Resume from the file, if there is one, else write the first.

        Parameters
        ----------
        net : EmbeddingNet
            With generator, optimiser and schedule; after on_train_begin of all callbacks.
        train : Rows
            Training samples.
        valid : Rows or None
            Validation samples.
        n_epochs : int
            Number of epochs of the whole fit.

        Returns
        -------
        n_left : int
            Epochs still to train.
        """
        callbacks = _effective(net)
        parts = identify(net, train, valid, callbacks)
        path = place_of(self.path, name_of(parts))
        identity = {"fit": parts, "circumstances": circumstances(net.device)}
        begun = Snapshot(net, callbacks)
        course = _Course(path, identity, begun, len(net.history), n_epochs)
        clear_drafts(path)
        found = read_fit(path, net.device)
        self.course_ = course
        if found is None:
            self._write(net, finished=False)
            return n_epochs
        _compare(path, found, identity)
        set_state(net, callbacks, found["state"])
        if found["finished"]:
            course.final, course.n_left = found["state"], 0
        else:
            course.n_left -= len(found["state"]["history"])
        return course.n_left

    def after_epoch(self, net: Any) -> None:
        """Write the file if it is due.

        Parameters
        ----------
        net : EmbeddingNet
            After an epoch and its callbacks, none of which ended the training.
        """
        course = self.course_
        assert course is not None
        course.n_unwritten += 1
        enough = self.every_epochs is not None and course.n_unwritten >= self.every_epochs
        waited = time.monotonic() - course.written
        if enough or (self.every_seconds is not None and waited >= self.every_seconds):
            self._write(net, finished=False)
        course.n_left -= 1

    def finish(self, net: Any) -> None:
        """Write the file of a finished fit.

        Parameters
        ----------
        net : EmbeddingNet
            After on_train_end of all callbacks.
        """
        course, self.course_ = self.course_, None
        if course is None or net.interrupted_ or net.diverged_:
            return
        if course.final is not None:
            # Changes of the network by callbacks at the end of training are done already.
            set_weights(net, course.final)
        # Anything else that ends training may be Ctrl-C in a callback: such a fit can be resumed.
        elif course.n_left == 0 or _has_stopped(net):
            self.course_ = course
            self._write(net, finished=True)
            self.course_ = None
        clear_drafts(course.path)

    def _write(self, net: Any, *, finished: bool) -> None:
        course = self.course_
        assert course is not None
        if _is_first_process():
            stored, tensors = take_state(net, _effective(net), course.begun, course.n_before)
            header = {**course.identity, "finished": finished}
            write_fit(course.path, header, stored, tensors)
        course.n_unwritten, course.written = 0, time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "course_"}


def _check(name: str, value: Any, kind: type, told: str) -> None:
    if value is not None and not (isinstance(value, kind) and value > 0):
        raise ValueError(f"{name} must be {told}, got {value!r}.")


def _effective(net: Any) -> list[tuple[str, Callback]]:
    """Return the callbacks that may change a fit."""
    return [pair for pair in net.callbacks_ if not isinstance(pair[1], (*SILENT, Resume))]


def _compare(path: str, found: dict[str, Any], identity: dict[str, Any]) -> None:
    """Refuse the file of another fit, and warn of what may change the last bits."""
    told = differences(found["fit"], identity["fit"])
    if told:
        raise ValueError(
            f"{path!r} is of another fit: {told}; delete it, or give Resume another path, such as "
            "a folder, where every fit has a file of its own."
        )
    told = differences(found["circumstances"], identity["circumstances"])
    if told:
        warnings.warn(
            f"The fit is resumed from {path!r} though {told}; its last bits may differ from those "
            "of an uninterrupted fit.",
            stacklevel=2,
        )


def _has_stopped(net: Any) -> bool:
    """Tell whether early stopping, of this package or of skorch, has ended the training."""
    return any(
        isinstance(callback, EarlyStopping) and callback.misses_ >= callback.patience
        for _, callback in net.callbacks_
    )


def _is_first_process() -> bool:
    """Tell whether this process writes, of several that train one network."""
    parallel = torch.distributed
    return not (parallel.is_available() and parallel.is_initialized() and parallel.get_rank())


def resume_of(net: Any) -> Resume | None:
    """Return the `Resume` callback of a net.

    Parameters
    ----------
    net : EmbeddingNet
        With initialised callbacks.

    Returns
    -------
    resume : Resume or None
        ``None`` if there is none.
    """
    found = [callback for _, callback in net.callbacks_ if isinstance(callback, Resume)]
    return found[0] if found else None


def check_resume(callbacks: Any, *, streams: bool) -> None:
    """Refuse callbacks and streams that are incompatible with resuming.

    Parameters
    ----------
    callbacks : sequence of skorch callbacks or pairs (name, callback)
        As the user passed them.
    streams : bool
        Whether the training is a part of a stream.

    Raises
    ------
    ValueError
        If there are two of them, one with a callback that loads another start, or one on a
        stream.
    """
    plain = [item[1] if isinstance(item, list | tuple) else item for item in callbacks]
    kinds = [item if isclass(item) else type(item) for item in plain]
    n_resumes = sum(issubclass(kind, Resume) for kind in kinds)
    if n_resumes > 1:
        raise ValueError("callbacks hold several Resume, but one fit has one file; leave one.")
    if n_resumes and any(issubclass(kind, LoadInitState) for kind in kinds):
        raise ValueError(
            "callbacks hold a Resume and a LoadInitState, which would both say where the fit "
            "starts; leave out one of the two."
        )
    if n_resumes and streams:
        raise ValueError(
            "callbacks hold a Resume, but partial_fit takes one step of a stream, whose other "
            "parts no file knows; leave it out, and save the estimator between parts."
        )
