"""The progress bar counts epochs and leaves nothing behind."""

import pickle
from types import SimpleNamespace

from skorch.callbacks import Callback

from sphereskl.training import ProgressBar


def _run(bar, n_epochs=3):
    history = [{"train_loss": 0.5, "valid_loss": 0.25, "valid_loss_best": True, "dur": 1.0}]
    net = SimpleNamespace(max_epochs=4, history=history)
    bar.on_train_begin(net)
    for _ in range(n_epochs):
        bar.on_epoch_end(net)
    bar.on_train_end(net)


def test_epochs_and_losses_are_shown_on_stderr(capsys):
    _run(ProgressBar())
    shown = capsys.readouterr()
    assert "3/4" in shown.err
    assert "train_loss=0.5, valid_loss=0.25]" in shown.err
    assert shown.out == ""


def test_what_is_no_loss_is_not_shown(capsys):
    _run(ProgressBar())
    shown = capsys.readouterr().err
    assert "best" not in shown
    assert "dur" not in shown


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
