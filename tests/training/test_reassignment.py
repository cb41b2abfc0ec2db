"""Prototypes change owners while training, and predictions follow."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.preprocessing import LabelEncoder

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.training import ReassignPrototypes, TensorData
from sphereskl.training._reassignment import class_means


def make_classifier(callback, **parameters):
    options = {
        "embedding_dim": 2,
        "early_stopping": False,
        "max_epochs": 20,
        "random_state": 0,
        **parameters,
    }
    return HypersphericalPrototypeClassifier(callbacks=[callback], **options)


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(300, centers=8, n_features=3, cluster_std=0.5, random_state=0)
    return X, np.array(list("abcdefgh"))[y]


@pytest.fixture(scope="module")
def fitted(blobs):
    return make_classifier(ReassignPrototypes()).fit(*blobs)


def rows_sorted(points):
    return points[np.lexsort(points.round(4).T)]


def test_predictions_stay_labels_of_the_nearest_prototype(fitted, blobs):
    X, y = blobs
    nearest = (fitted.transform(X) @ fitted.prototypes_.T).argmax(axis=1)
    assert np.array_equal(fitted.predict(X), fitted.classes_[nearest])
    assert fitted.score(X, y) > 0.75


def test_prototypes_change_owners_not_places(fitted, blobs):
    plain = clone(fitted).set_params(callbacks=None).fit(*blobs)
    assert not np.allclose(fitted.prototypes_, plain.prototypes_)
    np.testing.assert_allclose(
        rows_sorted(fitted.prototypes_), rows_sorted(plain.prototypes_), atol=1e-6
    )


def test_history_counts_classes_that_moved(fitted):
    moved = [epoch["n_reassigned"] for epoch in fitted.history_]
    assert moved[0] > 0
    assert all(0 <= n <= 8 and n != 1 for n in moved)


def test_until_epoch_ends_the_exchange(blobs):
    fitted = make_classifier(ReassignPrototypes(until_epoch=2)).fit(*blobs)
    assert sum("n_reassigned" in epoch for epoch in fitted.history_) == 2


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_equal_seeds_give_equal_models(blobs, momentum):
    first, second = (make_classifier(ReassignPrototypes(momentum)).fit(*blobs) for _ in range(2))
    assert np.array_equal(first.transform(blobs[0]), second.transform(blobs[0]))
    assert np.array_equal(first.prototypes_, second.prototypes_)


def test_class_without_rows_keeps_a_prototype(blobs):
    X, y = blobs
    classes = np.append(np.unique(y), "z")
    fitted = make_classifier(ReassignPrototypes()).partial_fit(X, y, classes=classes)
    assert fitted.prototypes_.shape == (9, 2)
    assert len(np.unique(fitted.prototypes_.round(4), axis=0)) == 9


def test_learned_prototypes_are_refused(blobs):
    with pytest.raises(ValueError, match="needs fixed prototypes, got prototypes='learned'"):
        make_classifier(ReassignPrototypes(), prototypes="learned").fit(*blobs)


def test_momentum_out_of_range_is_refused(blobs):
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.0"):
        make_classifier(ReassignPrototypes(momentum=1.0)).fit(*blobs)


@pytest.mark.parametrize("weighted", [False, True])
def test_class_means_weigh_rows(weighted):
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    target = torch.from_numpy(LabelEncoder().fit_transform(list("abbca" * 4)))
    weight = torch.arange(1.0, 21.0) if weighted else torch.ones(20)
    data = TensorData(z, target, weight if weighted else None)
    means = class_means(z, data, 4)
    rows = target == 1
    expected = np.average(z[rows], axis=0, weights=weight[rows])
    np.testing.assert_allclose(means[1], expected, rtol=1e-5)
    assert not means[3].any()
