"""Progress bars: in a terminal, in a notebook, in a log."""

import multiprocessing
import sys
from html import escape
from time import monotonic
from typing import Any

from tqdm import tqdm

# Seconds between two updates of a notebook's bar.
_BLINK = 0.1

# Minimum seconds between two lines of a log; more if an epoch takes longer.
_SHORTEST, _LONGEST = 10, 60


class TerminalBar:
    """Bar that is redrawn on one line of standard error.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs.
    """

    def __init__(self, n_epochs: int):
        # The part that is cut off in a narrow terminal comes last.
        running = "epoch {n_fmt}/{total_fmt} |{bar}| {remaining} left{postfix}"
        self._bar = tqdm(total=n_epochs, bar_format=running)

    def advance(self, values: dict[str, float]) -> None:
        """Count an epoch and show its losses."""
        self._bar.set_postfix_str(_listed(values), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Show how long training took."""
        self._bar.bar_format = "epoch {n_fmt}/{total_fmt} |{bar}| {elapsed} taken{postfix}"
        self._bar.close()


class LogLines:
    """A few whole lines on standard error, for files and for processes that share a terminal.

    There is one at the end of training, and before that one for every tenth of the epochs and for
    every minute, but none within ten seconds of another.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs.
    """

    def __init__(self, n_epochs: int):
        self.n, self.n_epochs, self.values = 0, n_epochs, {}
        self.begun = self.shown_at = monotonic()
        self.n_shown = 0

    def advance(self, values: dict[str, float]) -> None:
        """Count an epoch and show its losses, if a line is due."""
        self.n, self.values = self.n + 1, values
        now = monotonic()
        if self.n < self.n_epochs and self._is_due(now - self.shown_at):
            left = (now - self.begun) / self.n * (self.n_epochs - self.n)
            self._show(f"{tqdm.format_interval(left)} left")
            self.shown_at, self.n_shown = now, self.n

    def close(self) -> None:
        """Show the final losses and how long training took."""
        self._show(f"{tqdm.format_interval(monotonic() - self.begun)} taken")

    def _is_due(self, seconds: float) -> bool:
        is_tenth = self.n - self.n_shown >= self.n_epochs / 10
        return seconds >= (_SHORTEST if is_tenth else _LONGEST)

    def _show(self, time: str) -> None:
        worker = f"{multiprocessing.current_process().name}: " if _is_worker() else ""
        if sys.stderr is not None:
            # In one call, so that output of other processes does not come in between.
            sys.stderr.write(f"{worker}{self._text(time)}\n")

    def _text(self, time: str) -> str:
        parts = (f"epoch {self.n}/{self.n_epochs}", time, _listed(self.values))
        return ", ".join(filter(None, parts))


class NotebookBar(LogLines):
    """Bar in the output of a notebook cell, with or without widgets, kept when it is saved.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs.
    """

    def __init__(self, n_epochs: int):
        from IPython.display import DisplayHandle  # pyright: ignore

        super().__init__(n_epochs)
        self._output = DisplayHandle()
        self._draw = self._output.display
        self._show("")
        self._draw = self._output.update

    def _is_due(self, seconds: float) -> bool:
        return seconds >= _BLINK

    def _show(self, time: str) -> None:
        text = self._text(time)
        count, _, rest = text.partition(", ")
        bar = f'<progress value="{self.n}" max="{self.n_epochs}"></progress>'
        html = f"<div>{count} {bar} {escape(rest)}</div>"
        self._draw({"text/plain": text, "text/html": html}, raw=True)


def make_bar(n_epochs: int) -> Any:
    """Return the progress bar that suits the output of this process.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs.

    Returns
    -------
    bar : TerminalBar, NotebookBar or LogLines
        With ``advance(values)`` and ``close()``.
    """
    if _is_worker():
        return LogLines(n_epochs)
    if _is_kernel():
        return NotebookBar(n_epochs)
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return (TerminalBar if is_terminal else LogLines)(n_epochs)


def _is_worker() -> bool:
    return multiprocessing.current_process().name != "MainProcess"


def _is_kernel() -> bool:
    """Tell whether output goes to a notebook."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and getattr(get_shell(), "kernel", None) is not None


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())
