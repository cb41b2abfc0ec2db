"""Probabilities and confidences made of logits, and their measures, for `calibration.py`."""

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from torch.nn.functional import softplus

CONFIDENCES = {
    "probability": "largest probability",
    "logit": "largest logit",
    "margin": "margin of the two largest logits",
    "direction": "largest cosine of the direction",
    "length": "resultant length",
    "p_norm": "largest logit over p-norm",
}
N_BINS = 15
POWERS = range(1, 11)
# Where the share of smoothed labels has been taken off, a little must be left: how little, in
# parts of that share.
SOFTNESS = 0.25


def forms(views, smoothing, *, held_out):
    """Yield names and logarithms of probabilities, all made of the same logits.

    Parameters
    ----------
    views : dict
        Logits, lengths and targets of test rows, and of validation rows ("judged...").
    smoothing : float
        Of the labels that the network learned from.
    held_out : bool
        Whether validation rows were seen by no member, else each by all but one.
    """
    logits, scale = views["logits"], float(views["scale"])
    yield "scale_", log_softmax(scale * logits, axis=1)
    trained = float(views["trained_scale"])
    yield "trained scale", log_softmax(trained * logits, axis=1)
    weights, bias = fit_vector(views, 0.0, scale)
    yield "vector", log_softmax(weights * logits + bias, axis=1)
    if smoothing:
        yield "trained scale, unsmoothed", unsmoothed(trained * logits, smoothing)
        fitted = fit_unsmoothed(views, smoothing, trained)
        yield "unsmoothed", unsmoothed(fitted * logits, smoothing)
        weights, bias = fit_vector(views, smoothing, fitted)
        yield "vector, unsmoothed", unsmoothed(weights * logits + bias, smoothing)
        by_class = fit_scales(views, smoothing, fitted)[logits.argmax(axis=1), None] * logits
        yield "scale per class, unsmoothed", unsmoothed(by_class, smoothing)
    if held_out:
        power, scale = fit_power(views, float(scale))
        factor = scale * views["length"] ** power
        yield "power of length", log_softmax(factor[:, None] * logits, axis=1)
    elif views["length"].min() < 1 - 1e-3:  # there are members
        # The scale of a direction: as far from certain as that of the mean, on average.
        for power in (-1, 1):
            factor = views["length"] ** power
            factor = scale * factor / factor.mean()
            title = {-1: "direction", 1: "squared length"}[power]
            yield title, log_softmax(factor[:, None] * logits, axis=1)


def unsmoothed(logits, smoothing):
    """Return logarithms of ``softmax(logits)`` without the share of smoothed labels.

    What the network learns is ``(1 - smoothing) p + smoothing / n_classes``; p is read off that,
    and a softplus keeps it positive, and in order.
    """
    return _unsmoothed(torch.from_numpy(logits), smoothing).numpy()


def _unsmoothed(logits, smoothing):
    if not smoothing:
        return torch.log_softmax(logits, dim=1)
    share = smoothing / logits.shape[1]
    softness = SOFTNESS * share
    left = softplus((torch.softmax(logits, dim=1) - share) / softness)
    return (left / left.sum(dim=1, keepdim=True)).log()


def fit_unsmoothed(views, smoothing, trained):
    """Fit the scale of probabilities that are unsmoothed; the prior is that of `fit_scale`."""
    target = views["judged_target"]

    def loss(x):
        log_p = unsmoothed(trained * np.exp(x) * views["judged"], smoothing)
        return -log_p[np.arange(len(target)), target].sum() + x**2 / 2

    return trained * np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x)


def fit_vector(views, smoothing, scale):
    """Fit a scale and a bias for every class (Guo et al. 2017, section 4.2).

    The prior on the logarithm of a scale is that of `fit_scale`, at the common scale; that on a
    bias has standard deviation 1 too.
    """
    logits, target = (torch.from_numpy(views[name]) for name in ("judged", "judged_target"))

    def loss(x):
        x = torch.from_numpy(x).requires_grad_()
        log_weight, bias = x.chunk(2)
        log_p = _unsmoothed(scale * log_weight.exp() * logits + bias, smoothing)
        value = -log_p.gather(1, target[:, None]).sum() + x @ x / 2
        return value.item(), torch.autograd.grad(value, x)[0].numpy()

    x = minimize(loss, np.zeros(2 * logits.shape[1]), jac=True, method="L-BFGS-B").x
    log_weight, bias = np.split(x, 2)
    return scale * np.exp(log_weight), bias


def fit_scales(views, smoothing, scale):
    """Fit a scale for the rows of every predicted class: the order of classes in a row stays.

    The prior on the logarithm of each is that of `fit_scale`, at the common scale.
    """
    logits, target = (torch.from_numpy(views[name]) for name in ("judged", "judged_target"))
    chosen = logits.argmax(dim=1)

    def loss(x):
        x = torch.from_numpy(x).requires_grad_()
        log_p = _unsmoothed(scale * x.exp()[chosen, None] * logits, smoothing)
        value = -log_p.gather(1, target[:, None]).sum() + x @ x / 2
        return value.item(), torch.autograd.grad(value, x)[0].numpy()

    x = minimize(loss, np.zeros(logits.shape[1]), jac=True, method="L-BFGS-B").x
    return scale * np.exp(x)


def fit_power(views, scale):
    """Fit the power of the resultant length, and the scale, on rows that no member saw."""
    logits, target, length = views["judged"], views["judged_target"], views["judged_length"]

    def loss(x):
        factor = scale * np.exp(x[0]) * length ** x[1]
        log_p = log_softmax(factor[:, None] * logits, axis=1)
        return -log_p[np.arange(len(target)), target].sum() + x @ x / 2

    x = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-7, 7), (-5, 5)]).x
    return x[1], scale * np.exp(x[0])


def confidences(views, log_p):
    """Return what rows may be ranked by, the surest highest."""
    logits, length = views["logits"], np.maximum(views["length"], 1e-12)
    first, second = np.sort(logits, axis=1)[:, -2:].T[::-1]
    # The paper falls back to the largest probability where no norm ranks better.
    of_judged = log_softmax(views["scale"] * views["judged"], axis=1).max(axis=1)
    best = min(POWERS, key=lambda p: _judged_risk(views, over_norm(views["judged"], p)))
    is_better = _judged_risk(views, over_norm(views["judged"], best)) < _judged_risk(
        views, of_judged
    )
    return {
        "probability": log_p.max(axis=1),
        "logit": first,
        "margin": first - second,
        "direction": first / length,
        "length": length,
        "p_norm": over_norm(logits, best) if is_better else log_p.max(axis=1),
    }


def over_norm(logits, p):
    """Largest of centred logits over their p-norm (Cattelan and Silva 2024)."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    return centred.max(axis=1) / np.maximum(np.linalg.norm(centred, p, axis=1), 1e-12)


def _judged_risk(views, confidence):
    wrong = views["judged"].argmax(axis=1) != views["judged_target"]
    return area_under_risk(confidence, wrong)


def area_under_risk(confidence, wrong):
    """Mean error rate of the surest 1, 2, ..., n rows."""
    ordered = wrong[np.argsort(-confidence, kind="stable")]
    return (np.cumsum(ordered) / np.arange(1, len(wrong) + 1)).mean()


def scores(views, log_p):
    """Return measures of probabilities and of confidences."""
    target, p = views["target"], np.exp(log_p)
    rows = np.arange(len(target))
    wrong = views["logits"].argmax(axis=1) != target
    chosen = log_p.argmax(axis=1)
    areas = {
        f"aurc_{name}": area_under_risk(value, wrong)
        for name, value in confidences(views, log_p).items()
    }
    return {
        "accuracy": (chosen == target).mean(),
        "nll": -log_p[rows, target].mean(),
        "brier": ((p - np.eye(p.shape[1])[target]) ** 2).sum(axis=1).mean(),
        "ece": calibration_error(p.max(axis=1), chosen == target),
        "overconfidence": p.max(axis=1).mean() - (chosen == target).mean(),
        **areas,
        "aurc_optimal": area_under_risk(-wrong.astype(float), wrong),
    }


def calibration_error(confidence, hit):
    """Mean distance of confidence and accuracy over bins of as many rows."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), N_BINS)
    gaps = [abs(hit[b].mean() - confidence[b].mean()) * len(b) for b in bins if len(b)]
    return sum(gaps) / len(hit)
