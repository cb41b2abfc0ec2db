"""TrainingHistoryDisplay draws what was recorded, and marks the best epoch."""

import numpy as np
import pytest

from sphereskl.display import TrainingHistoryDisplay

HISTORY = [
    {"train_loss": 3.0, "valid_loss": 3.5, "valid_score": 0.2},
    {"train_loss": 2.0, "valid_loss": 2.5, "valid_score": 0.6},
    {"train_loss": 1.0, "valid_loss": 2.8, "valid_score": 0.5},
]


@pytest.mark.parametrize("name", ["train_loss", "valid_loss", "valid_score"])
def test_lines_hold_the_numbers_of_the_frame(name):
    display = TrainingHistoryDisplay.from_history(HISTORY)
    frame = display.frame()
    assert frame[name].tolist() == [epoch[name] for epoch in HISTORY]
    np.testing.assert_array_equal(display.lines_[name].get_xydata(), frame[["epoch", name]])


def test_best_epoch_has_the_least_validation_loss():
    assert TrainingHistoryDisplay.from_history(HISTORY).best_epoch_ == 2


def test_without_validation_the_training_loss_decides():
    display = TrainingHistoryDisplay.from_history([{"train_loss": v} for v in (2.0, 1.0, 1.5)])
    assert display.best_epoch_ == 2
    assert list(display.lines_) == ["train_loss"]
    assert display.score_ax_ is None
    assert display.frame().valid_loss.isna().all()


def test_epochs_that_were_not_judged_are_gaps():
    display = TrainingHistoryDisplay.from_history([{"train_loss": 2.0}, *HISTORY])
    assert display.best_epoch_ == 3
    assert np.isnan(display.valid_loss[0])


def test_estimator_gives_its_history(classifier):
    display = TrainingHistoryDisplay.from_estimator(classifier)
    assert display.train_loss.tolist() == classifier.loss_curve_


@pytest.mark.parametrize("history", [[], [{"loss": 1.0}]])
def test_wrong_histories_are_named(history):
    with pytest.raises(ValueError, match=f"for every epoch, got {len(history)} epochs"):
        TrainingHistoryDisplay.from_history(history)
