"""What all displays keep: given axes, drawn numbers in a frame, untouched estimators."""

import pickle
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import (
    AngleDisplay,
    ArcDisplay,
    EmbeddingDisplay,
    NoveltyDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    TrainingHistoryDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")

Z = np.array([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.1]])
PROBABLE = np.array([[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]])
DRAWN = {
    "history": lambda **on: TrainingHistoryDisplay.from_history([{"train_loss": 1.0}], **on),
    "embedding": lambda **on: EmbeddingDisplay.from_embeddings(Z, [0, 0, 1], **on),
    "angle": lambda **on: AngleDisplay.from_angles([0.1, 0.2], [1.0, 2.0], **on),
    "reliability": lambda **on: ReliabilityDisplay.from_predictions([0, 1, 1], PROBABLE, **on),
    "risk": lambda **on: RiskCoverageDisplay.from_predictions([0, 1], [0, 0], [0.9, 0.6], **on),
    "novelty": lambda **on: NoveltyDisplay.from_scores([0.9, 0.8], [0.1], **on),
    "arc": lambda **on: ArcDisplay.from_predictions([1.0, 2.0], [1.5, 1.5], (0, 3), **on),
}
FITTED = {
    "history": lambda fitted, X, y: TrainingHistoryDisplay.from_estimator(fitted),
    "embedding": EmbeddingDisplay.from_estimator,
    "angle": AngleDisplay.from_estimator,
    "reliability": ReliabilityDisplay.from_estimator,
    "risk": RiskCoverageDisplay.from_estimator,
}
DISPLAYS = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
READERS = pytest.mark.parametrize("draw", FITTED.values(), ids=FITTED)


@DISPLAYS
def test_given_axes_are_used(draw):
    figure, axes = plt.subplots(1, 2)
    display = draw(ax=axes[1])
    figure.canvas.draw()
    assert display.ax_ is axes[1]
    assert display.figure_ is figure


@DISPLAYS
def test_plot_draws_again_and_returns_the_display(draw):
    display = draw()
    first, frame = display.ax_, display.frame()
    assert display.plot() is display
    assert display.ax_ is not first
    assert display.frame().equals(frame)


@DISPLAYS
def test_titles_and_legends_are_inside_the_figure(draw):
    display = draw()
    display.figure_.canvas.draw()
    box = display.figure_.get_tightbbox()
    width, height = display.figure_.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01


@DISPLAYS
def test_missing_matplotlib_names_the_extra(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'Display draws .* run pip install "sphereskl\[plot\]"'):
        draw()


@DISPLAYS
def test_missing_pandas_names_the_extra(draw, monkeypatch):
    display = draw()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "sphereskl\[dataframe\]"'):
        display.frame()


@READERS
def test_estimators_stay_as_they_are(draw, classifier, iris):
    before = pickle.dumps(classifier)
    draw(classifier, *iris).figure_.canvas.draw()
    assert pickle.dumps(classifier) == before


@READERS
def test_pipelines_are_read_through_their_last_step(draw, in_pipeline, iris):
    X, y = iris
    alone = draw(in_pipeline[-1], in_pipeline[:-1].transform(X), y).frame()
    assert draw(in_pipeline, X, y).frame().equals(alone)


@READERS
def test_unfitted_estimators_are_refused(draw, iris):
    with pytest.raises(NotFittedError):
        draw(HypersphericalPrototypeClassifier(), *iris)


@pytest.mark.parametrize(
    ("draw", "missing"),
    [
        (AngleDisplay.from_estimator, "classes_"),
        (ReliabilityDisplay.from_estimator, "classes_"),
        (RiskCoverageDisplay.from_estimator, "predict_proba"),
    ],
)
def test_estimators_without_what_is_drawn_are_refused(draw, missing, regressor, iris):
    with pytest.raises(ValueError, match=f"must have {missing}, which HypersphericalRegressor"):
        draw(regressor, *iris)
