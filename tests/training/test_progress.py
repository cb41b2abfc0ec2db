"""The progress bar counts epochs, suits the place where it is shown, and leaves nothing behind."""

import io
import multiprocessing
import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from skorch.callbacks import Callback

from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, squared_cosine
from sphereskl.training import Criterion, EmbeddingNet, ProgressBar, TensorData, fit_net, seeded
from sphereskl.training import _bars as bars

EPOCH = {"train_loss": 0.5, "valid_loss": 0.25, "valid_score": 0.875, "dur": 1.0}
SHOWN = "loss 0.5, valid 0.25, score 0.875, lr 0.003"


class Terminal(io.StringIO):
    """Standard error that is a terminal of unknown width."""

    def isatty(self):
        return True


class Clock:
    """Time that passes as told."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(bars, "monotonic", lambda: self.now)


class Display:
    """What a notebook shows of a cell: its outputs, each in its latest state."""

    def __init__(self, monkeypatch):
        self.outputs = []
        shell = SimpleNamespace(kernel=object())
        display = SimpleNamespace(DisplayHandle=lambda: Handle(self.outputs))
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        monkeypatch.setitem(sys.modules, "IPython.display", display)


class Handle:
    """One output."""

    def __init__(self, outputs):
        self.outputs = outputs

    def display(self, data, *, raw):
        self.place = len(self.outputs)
        self.outputs.append([data])

    def update(self, data, *, raw):
        self.outputs[self.place].append(data)


def _net(n_epochs=4, epoch=EPOCH):
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.003}])
    return SimpleNamespace(max_epochs=n_epochs, history=[epoch], optimizer_=optimizer)


def _run(bar, n_epochs=3, net=None, tick=lambda: None):
    net = _net() if net is None else net
    bar.on_train_begin(net)
    for _ in range(n_epochs):
        tick()
        bar.on_epoch_end(net)
    bar.on_train_end(net)


# Where it is shown.


def test_a_log_has_one_line_of_a_short_fit(capsys):
    _run(ProgressBar())
    assert capsys.readouterr() == ("", f"epoch 3/4, 00:00 taken, {SHOWN}\n")


def test_a_terminal_has_one_line_that_is_drawn_again(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    _run(ProgressBar())
    shown = sys.stderr.getvalue()
    assert shown.startswith("\repoch 0/4 |")
    assert shown.endswith(f"| 00:00 taken, {SHOWN}\n")
    assert shown.count("\n") == 1


def test_a_notebook_has_one_output_and_nothing_on_its_streams(monkeypatch, capsys):
    display = Display(monkeypatch)
    _run(ProgressBar())
    ((first, *_, last),) = display.outputs
    assert first["text/plain"] == "epoch 0/4"
    assert last["text/plain"] == f"epoch 3/4, 00:00 taken, {SHOWN}"
    assert '<progress value="3" max="4"></progress>' in last["text/html"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what runs notebooks
@pytest.mark.parametrize("has_widgets", [True, False])
def test_a_real_notebook_has_one_output(has_widgets):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    hide = "" if has_widgets else "import sys; sys.modules['ipywidgets'] = None"
    cells = [
        "from sphereskl import HypersphericalRegressor",
        "X = [[i] for i in range(60)]",
        "HypersphericalRegressor(max_epochs=3, verbose=True).fit(X, range(60)); None",
    ]
    cell = nbformat.v4.new_code_cell("\n".join([hide, *cells]))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (output,) = client.NotebookClient(notebook, timeout=120).execute().cells[0].outputs
    assert output["data"]["text/plain"].startswith("epoch 3/3, 00:0")
    assert '<progress value="3" max="3"></progress>' in output["data"]["text/html"]


def test_a_notebook_is_not_flooded(monkeypatch):
    display, clock = Display(monkeypatch), Clock(monkeypatch)

    def tick():
        clock.now += 0.01

    _run(ProgressBar(), 1000, _net(1000), tick)
    assert len(display.outputs[0]) <= 1 + 10 / 0.1 + 1


@pytest.mark.parametrize("place", ["terminal", "notebook"])
def test_a_worker_writes_whole_lines_under_its_name(place, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_name", "Worker-2")
    stream = Terminal() if place == "terminal" else io.StringIO()
    display = Display(monkeypatch) if place == "notebook" else SimpleNamespace(outputs=[])
    monkeypatch.setattr(sys, "stderr", stream)
    _run(ProgressBar())
    assert stream.getvalue() == f"Worker-2: epoch 3/4, 00:00 taken, {SHOWN}\n"
    assert display.outputs == []


def test_a_console_of_ipython_is_no_notebook(monkeypatch, capsys):
    console = SimpleNamespace(get_ipython=lambda: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", console)
    _run(ProgressBar())
    assert capsys.readouterr().err.startswith("epoch 3/4")


def test_without_standard_error_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    _run(ProgressBar())
    assert capsys.readouterr().out == ""


# How often.


@pytest.mark.parametrize(
    ("n_epochs", "seconds", "n_lines"),
    [
        (50, 0.1, 1),  # Five seconds: only the end.
        (50, 1, 5),  # Tenths are too close: every other one, and the end.
        (50, 10, 10),
        (10, 3600, 10),
        (1000, 36, 500),  # Ten hours: every other epoch, since a minute has passed.
    ],
)
def test_a_log_has_few_lines(n_epochs, seconds, n_lines, monkeypatch, capsys):
    clock = Clock(monkeypatch)

    def tick():
        clock.now += seconds

    _run(ProgressBar(), n_epochs, _net(n_epochs), tick)
    assert len(capsys.readouterr().err.splitlines()) == n_lines


def test_the_time_that_is_left_is_estimated(monkeypatch, capsys):
    clock = Clock(monkeypatch)

    def tick():
        clock.now += 30

    _run(ProgressBar(), 3, _net(4), tick)
    times = [line.split(", ")[1] for line in capsys.readouterr().err.splitlines()]
    assert times == ["01:30 left", "01:00 left", "00:30 left", "01:30 taken"]


# What is shown.


def test_what_was_not_measured_is_not_shown(capsys):
    _run(ProgressBar(), net=_net(epoch={"train_loss": 0.5, "train_penalty": 9.0}))
    assert capsys.readouterr().err == "epoch 3/4, 00:00 taken, loss 0.5, lr 0.003\n"


def test_a_fit_without_an_epoch_is_shown_to_be_over(capsys):
    _run(ProgressBar(), 0)
    assert capsys.readouterr().err == "epoch 0/4, 00:00 taken\n"


# What is left.


def test_a_used_bar_can_be_pickled(capsys):
    bar = ProgressBar()
    _run(bar)
    assert isinstance(pickle.loads(pickle.dumps(bar)), ProgressBar)


def test_a_bar_can_be_used_again(capsys):
    bar = ProgressBar()
    _run(bar, 1)
    _run(bar, 2)
    assert "2/4" in capsys.readouterr().err


def test_batches_go_on_unheard():
    # Listening to them would cost a synchronisation each.
    assert ProgressBar.on_batch_end is Callback.on_batch_end


# In a training.


def _train(**options):
    with seeded(0):
        model = EmbeddingModel(torch.nn.Linear(4, 8), simplex(3, 8).float())
    X = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    net = EmbeddingNet(model, Criterion(squared_cosine), batch_size=10, lr=0.01)
    data = TensorData(X, X[:, :3].argmax(dim=1))
    return fit_net(net, data, max_epochs=2, schedule="constant", verbose=True, **options)


class Failing(Callback):
    """Fail after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise ZeroDivisionError


def test_an_error_ends_the_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError):
        _train(callbacks=[Failing()])
    assert sys.stderr.getvalue().endswith("| 00:00 taken\n")
