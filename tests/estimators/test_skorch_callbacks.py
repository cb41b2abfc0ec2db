"""skorch's own callbacks do in an estimator what their documentation says."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
    TensorBoard,
)

from sphereskl import MLP, HypersphericalPrototypeClassifier, HypersphericalRegressor

X, VALUE = (part[:120] for part in load_diabetes(return_X_y=True))
STAGE = np.array(["low", "high"])[(VALUE > 140).astype(int)]
GUIDE = Path(__file__).parents[2] / "docs" / "user_guide" / "training.md"


def _classifier(*callbacks, **params):
    settings = {"backbone": MLP(hidden_layer_sizes=(8,)), "max_epochs": 3, "random_state": 0}
    return HypersphericalPrototypeClassifier(callbacks=list(callbacks), **{**settings, **params})


def _backbone(estimator):
    return torch.cat([p.detach().flatten() for p in estimator.module_.backbone.parameters()])


def test_the_best_checkpoint_is_what_predicts(tmp_path):
    checkpoint = Checkpoint(dirname=str(tmp_path), load_best=True)
    model = _classifier(checkpoint, lr=0.3, early_stopping=False, max_epochs=9)
    model.fit(X[:90], STAGE[:90], X_val=X[90:], y_val=STAGE[90:])
    best = int(np.argmin(model.history_[:, "valid_loss"]))
    assert model.score(X[90:], STAGE[90:]) == model.validation_scores_[best]
    saved = torch.load(tmp_path / "params.pt")
    assert all(torch.equal(saved[name], t) for name, t in model.module_.state_dict().items())


def test_scores_rates_and_losses_are_in_the_history_and_in_the_log(capsys):
    callbacks = EpochScoring("roc_auc", lower_is_better=False), LRScheduler("StepLR", step_size=1)
    model = _classifier(*callbacks, PrintLog(), lr_schedule="constant").fit(X, STAGE)
    header, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert {"roc_auc", "train_loss", "valid_loss", "valid_score", "dur"} <= set(header.split())
    assert len(rows) == model.n_iter_ == 3
    assert model.history_[:, "event_lr"] == pytest.approx([8e-3, 8e-4, 8e-5])


def test_what_is_frozen_stays():
    frozen = _classifier(Freezer("backbone.*"), loss="cross_entropy").fit(X, STAGE)
    untrained = _classifier(loss="cross_entropy", lr=1e-30, weight_decay=0.0).fit(X, STAGE)
    torch.testing.assert_close(_backbone(frozen), _backbone(untrained), rtol=0, atol=1e-20)
    assert not torch.equal(_backbone(frozen), _backbone(_classifier().fit(X, STAGE)))


def test_gradients_are_clipped_to_what_the_estimator_would_clip_them_to():
    ours = _classifier(max_grad_norm=0.01).fit(X, STAGE)
    theirs = _classifier(GradientNormClipping(0.01), max_grad_norm=None).fit(X, STAGE)
    # To rounding: what clips by itself leaves gradients to autograd.
    torch.testing.assert_close(_backbone(ours), _backbone(theirs), rtol=1e-4, atol=1e-5)


class Names(Callback):
    """Remember the names that an epoch and its batches have."""

    def on_batch_end(self, net, **kwargs):
        """Listen to batches."""

    def on_epoch_end(self, net, **kwargs):
        epoch = net.history[-1]
        self.names_ = set(epoch) - {"batches"}
        self.names_ |= {name for batch in epoch["batches"] for name in batch}


def test_the_names_in_the_guide_are_those_of_the_history():
    names = Names()
    HypersphericalRegressor(callbacks=[names], max_epochs=1, random_state=0).fit(X, VALUE)
    section = GUIDE.read_text().split("**Names in the history.**")[1].split("**")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.M)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names.names_ == documented - {"train_penalty"}


# TensorBoard.


@pytest.fixture
def open_writer(tmp_path):
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what TensorBoard imports
        from torch.utils.tensorboard import SummaryWriter
    return lambda: SummaryWriter(str(tmp_path))


def _scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: [e.value for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_history_goes_to_tensorboard(open_writer, tmp_path):
    model = _classifier(TensorBoard(open_writer())).fit(X, STAGE)
    scalars = _scalars(tmp_path)
    assert set(scalars) == {"Loss/train_loss", "Loss/valid_loss", "Loss/valid_score", "dur"}
    assert scalars["Loss/train_loss"] == pytest.approx(model.loss_curve_)


class Board(TensorBoard):
    """Open the writer when a fit begins, so that clones have one each."""

    def __init__(self, open_writer, writer=None, **options):
        super().__init__(writer, **options)
        self.open_writer = open_writer

    def on_train_begin(self, net, **kwargs):
        self.writer = self.open_writer()

    def on_train_end(self, net, **kwargs):
        super().on_train_end(net, **kwargs)
        self.writer = None


def test_a_writer_that_is_opened_late_survives_a_clone(open_writer, tmp_path):
    model = clone(_classifier(Board(open_writer)).fit(X, STAGE)).fit(X, STAGE)
    assert model.n_iter_ == 3
    assert _scalars(tmp_path)["Loss/train_loss"][-3:] == pytest.approx(model.loss_curve_)
