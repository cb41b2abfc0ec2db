"""NoveltyDisplay counts scores, and puts the threshold where false alarms ask for it."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sphereskl.display import NoveltyDisplay
from sphereskl.metrics import novelty_report, novelty_threshold


class Scorer(BaseEstimator):
    """Scores samples by their first column; the method is a factor."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X, *, method="auto"):
        return np.asarray(X)[:, 0] * (1 if method == "auto" else method)


def draw():
    rng = np.random.default_rng(0)
    return rng.normal(1, 1, 80), rng.normal(0, 1, 50)


def test_bars_count_the_frame():
    display = NoveltyDisplay.from_scores(*draw())
    frame = display.frame()
    drawn = [patch.get_data().values for patch in display.ax_.patches]
    expected = [
        np.histogram(frame.score[frame.is_new == is_new], display.edges_)[0] / n_rows
        for is_new, n_rows in ((False, 80), (True, 50))
    ]
    np.testing.assert_allclose(drawn, expected)
    np.testing.assert_allclose(np.sum(drawn, axis=1), 1)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_line_stands_at_the_threshold(rate):
    known, new = draw()
    display = NoveltyDisplay.from_scores(known, new, false_alarm_rate=rate)
    expected = novelty_threshold(known, false_alarm_rate=rate)
    assert [line.get_xdata()[0] for line in display.ax_.lines] == [expected]
    assert display.threshold_ == expected


def test_title_has_the_report():
    display, report = NoveltyDisplay.from_scores(*draw()), novelty_report(*draw())
    assert display.report_ == report
    title = f"AUROC {report.auroc:.3f}, FPR95 {report.fpr95:.3f}"
    assert display.ax_.get_title() == title


def test_infinite_scores_stand_at_the_ends():
    display = NoveltyDisplay.from_scores([1.0, 2.0, np.inf], [-np.inf, 0.0])
    assert display.shares_["new"][0] == 1
    assert display.shares_["known"][-1] == pytest.approx(2 / 3)


@pytest.mark.parametrize("method", ["auto", 3])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_estimator_scores_by_the_method(method, in_pipeline):
    known, new = (scores[:, None] for scores in draw())
    scorer = Scorer().fit(known)
    double = FunctionTransformer(lambda X: 2 * X).fit(known)
    estimator = make_pipeline(double, scorer) if in_pipeline else scorer
    display = NoveltyDisplay.from_estimator(estimator, known, new, method=method)
    factor = (2 if in_pipeline else 1) * (1 if method == "auto" else method)
    np.testing.assert_allclose(display.scores_new, factor * new[:, 0])


@pytest.mark.parametrize("method", ["auto", "cosine"])
def test_classifier_scores_by_the_method(classifier, iris, method):
    known, new = np.split(iris[0], [100])
    display = NoveltyDisplay.from_estimator(classifier, known, new, method=method)
    np.testing.assert_array_equal(display.scores_new, classifier.score_samples(new, method=method))


def test_estimator_must_score_samples():
    with pytest.raises(ValueError, match="must have score_samples, which FunctionTransformer"):
        NoveltyDisplay.from_estimator(FunctionTransformer().fit([[1]]), [[1]], [[1]])
