"""Images, and the training recipe that all sections with images share."""

import statistics
import time
from functools import lru_cache

import numpy as np
from datasets import load_images
from sklearn.datasets import load_digits

from sphereskl import ConvNet, HypersphericalPrototypeClassifier, ImageAugmentation

from .networks import make_classifier


@lru_cache(maxsize=2)
def images(name, folder):
    """Training and test images with labels; "digits" stands in where a test has no data."""
    if not name.startswith("digits"):
        return load_images(name, folder)
    X, y = load_digits(return_X_y=True)
    X = (15 * X).astype(np.uint8).reshape(-1, 8, 8)
    if name == "digits, RGB":
        X = np.kron(X, np.ones((1, 4, 4), np.uint8))[..., None].repeat(3, axis=-1)
    return X[:1200], y[:1200], X[1200:], y[1200:]


def subset(settings, folder):
    """Return as many training and test images as requested, the same in every run."""
    X, y, X_test, y_test = images(settings["set"], folder)
    chosen = np.random.default_rng(0).permutation(len(X))[: settings["images"]]
    n_test = settings["test_images"]
    return X[chosen], y[chosen], X_test[:n_test], y_test[:n_test]


def fit(head, backbone, settings, seed, place, *, orthogonal=False, width=None):
    """Train by the recipe of the section; return what the last iterate reaches.

    Parameters
    ----------
    head, backbone, orthogonal, width
        See `make_classifier`.
    settings : dict
        Set, numbers of images, epochs, batch size, learning rate, weight decay, shift.
    seed : int
        Random state.
    place : Place
        Data and device.
    """
    X, y, X_test, y_test = subset(settings, place.data)
    options = {"precision": "bf16"} if place.is_gpu else {}
    if settings.get("compile"):
        options["compile"] = True
    classifier = make_classifier(
        head,
        backbone,
        len(np.unique(y)),
        orthogonal=orthogonal,
        width=width,
        channels_last=place.is_gpu,
        augmentation=ImageAugmentation(mirror="alternate", shift=settings["shift"]),
        input_shape=X.shape[1:],
        max_epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        lr=settings["lr"],
        # Only ordinary weights decay: orthogonality is the one regulariser that all can have.
        weight_decay=0.0 if orthogonal else settings["weight_decay"],
        validation_fraction=0,
        device=place.device,
        random_state=seed,
        **options,
    )
    warm_up(place.device)
    start = time.perf_counter()
    classifier.fit(X, y)
    seconds = time.perf_counter() - start
    epochs = [epoch["dur"] for epoch in classifier.history_]
    return {
        "accuracy": float(classifier.score(X_test, y_test)),
        "training_loss": classifier.loss_curve_[-1],
        "fit_seconds": seconds,
        "epoch_seconds": statistics.median(epochs),
    }


@lru_cache(maxsize=1)
def warm_up(device):
    """Let the first fit of a process, which takes seconds longer, be none that is measured."""
    X, y = load_digits(return_X_y=True)
    network = ConvNet(widths=(4, 4), n_blocks=1)
    classifier = HypersphericalPrototypeClassifier(
        backbone=network, input_shape=(8, 8), max_epochs=1, device=device, random_state=0
    )
    classifier.fit(X[:100], y[:100]).predict(X[:100])
