"""Scores of novelty mean what they say, and alarms are as frequent as was asked for."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import shuffle

from sphereskl import (
    MLP,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    SphereNetClassifier,
    load,
    save,
)
from sphereskl.estimators import _reference
from sphereskl.estimators._reference import merge, moments, outputs, rearranged, remembered
from sphereskl.estimators._typicality import neighbor_scores
from sphereskl.training import TensorData

METHODS = (
    "auto",
    "cosine",
    "energy",
    "mahalanobis",
    "mahalanobis_neighbors",
    "neighbors",
    "resultant_length",
    "von_mises_fisher",
)
# In another order: writers follow each other in the file, and later ones are a little strange.
X, Y = shuffle(*load_digits(return_X_y=True), random_state=0)
IS_KNOWN = Y < 8
FIT = np.flatnonzero(IS_KNOWN)[:900]
KNOWN, STRANGE = X[IS_KNOWN][900:], X[~IS_KNOWN]
ONE = MLP(hidden_layer_sizes=(32,), n_members=1)
# At the default rate, twice this, strangers are told apart less well by agreement of members
# (0.88 by their resultant length), which 20 epochs bring closer together.
OPTIONS = {"lr": 4e-3, "max_epochs": 20, "random_state": 0}
MODELS = {
    "members": HypersphericalPrototypeClassifier(**OPTIONS),
    "one network": HypersphericalPrototypeClassifier(backbone=ONE, **OPTIONS),
    "norm": HypersphericalPrototypeClassifier(
        loss="logits", embedding_dim=64, max_epochs=20, random_state=0
    ),
    "spherical": SphereNetClassifier(max_epochs=5, random_state=0),
    "ordinal": HypersphericalOrdinalClassifier(max_epochs=20, random_state=0),
}


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request):
    return clone(MODELS[request.param]).fit(X[FIT], Y[FIT])


@pytest.fixture(scope="module")
def members():
    return clone(MODELS["members"]).fit(X[FIT], Y[FIT])


@pytest.fixture(scope="module")
def one_network():
    return clone(MODELS["one network"]).fit(X[FIT], Y[FIT])


def _auroc(model, method="auto"):
    known, strange = model.score_samples(KNOWN, method), model.score_samples(STRANGE, method)
    is_known = np.arange(len(known) + len(strange)) < len(known)
    return roc_auc_score(is_known, np.concatenate([known, strange]))


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_higher_for_rows_of_classes_that_were_learned(members, method):
    assert _auroc(members, method) > 0.9


def test_the_default_tells_strangers_apart_whatever_the_model(model):
    assert _auroc(model) > 0.75


@pytest.mark.parametrize("method", METHODS)
def test_rows_do_not_know_of_each_other(model, method):
    together = model.score_samples(X[:40], method)
    alone = np.concatenate([model.score_samples(X[k : k + 1], method) for k in range(5)])
    assert together.shape == (40,)
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together[:5], alone)


def test_energy_is_the_log_density_of_components_about_the_prototypes(members):
    expected = logsumexp(members.scale_ * members.decision_function(X), axis=1)
    np.testing.assert_allclose(members.score_samples(X, "energy"), expected, rtol=1e-4)


def test_mahalanobis_is_that_of_scikit_learn():
    model = clone(MODELS["one network"]).set_params(validation_fraction=0.0, dtype="float64")
    model.fit(X[FIT], Y[FIT])
    h = outputs(model, model.encoder_.transform(X))[0]
    means = np.stack([h[FIT][Y[FIT] == k].mean(axis=0) for k in range(8)])
    common = EmpiricalCovariance(assume_centered=True).fit(h[FIT] - means[Y[FIT]])
    # A thousandth of the mean variance is added to every one.
    ridge = 1e-3 * np.trace(common.covariance_) / h.shape[1]
    precision = np.linalg.inv(common.covariance_ + ridge * np.eye(h.shape[1]))
    away = h[:, None] - means
    expected = -np.einsum("nki,ij,nkj->nk", away, precision, away).min(axis=1)
    np.testing.assert_allclose(model.score_samples(X, "mahalanobis"), expected, rtol=1e-6)


def test_cosine_is_that_with_the_nearest_prototype(members):
    expected = (members.transform(X) @ members.prototypes_.T).max(axis=1)
    np.testing.assert_allclose(members.score_samples(X, "cosine"), expected, rtol=1e-6)


def _stored_model(**params):
    """Return a network in double precision that learned from and stores all of 900 rows."""
    model = clone(MODELS["one network"]).set_params(dtype="float64", max_epochs=2, **params)
    return model.fit(X[FIT], Y[FIT])


def test_stored_rows_are_their_own_neighbours():
    model = _stored_model(validation_fraction=0.0)
    np.testing.assert_allclose(model.score_samples(X[FIT], "neighbors"), 1.0, atol=1e-6)
    distance = -model.score_samples(X[FIT], "mahalanobis_neighbors")
    np.testing.assert_allclose(distance, 0.0, atol=1e-3)


def test_neighbours_are_those_of_scikit_learn():
    model = _stored_model(validation_fraction=0.0)
    rows = np.concatenate([KNOWN, STRANGE])
    h, asked = (outputs(model, model.encoder_.transform(part))[0] for part in (X[FIT], rows))
    means = np.stack([h[Y[FIT] == k].mean(axis=0) for k in range(8)])
    common = np.cov((h - means[Y[FIT]]).T, bias=True)
    ridge = 1e-3 * np.trace(common) / len(common)
    expected = {
        "neighbors": {"metric": "cosine"},
        "mahalanobis_neighbors": {
            "metric": "mahalanobis",
            "metric_params": {"VI": np.linalg.inv(common + ridge * np.eye(len(common)))},
        },
    }
    for method, metric in expected.items():
        nearest = NearestNeighbors(n_neighbors=1, algorithm="brute", **metric)
        distance = nearest.fit(np.concatenate([h, means])).kneighbors(asked)[0][:, 0]
        score = (1 if method == "neighbors" else 0) - distance
        np.testing.assert_allclose(model.score_samples(rows, method), score, rtol=1e-6)


def test_a_member_does_not_see_the_stored_rows_that_it_validates(members):
    known = members._reference
    row = np.flatnonzero(known["fold"] == 3)[0]
    place = np.flatnonzero(
        np.isclose(
            outputs(members, members.encoder_.transform(X[FIT]))[3], known["outputs"][3, row]
        ).all(axis=1)
    )
    encoded = members.encoder_.transform(X[FIT[place]])
    cosine = [
        neighbor_scores(members, known, encoded, torch.full((len(place),), member))[:, 0]
        for member in range(members.n_members_)
    ]
    own = np.arange(members.n_members_) == 3
    np.testing.assert_allclose(np.array(cosine)[~own], 1.0, atol=1e-5)
    assert np.array(cosine)[own].max() < 1 - 1e-5
    # All together: the mean.
    np.testing.assert_allclose(
        neighbor_scores(members, known, encoded)[:, 0], np.mean(cosine, axis=0), atol=1e-6
    )


def test_training_rows_that_judge_are_not_their_own_neighbours():
    model = _stored_model(validation_fraction=0.0)
    cosine, distance = model._reference["judged"].T
    assert len(cosine) == 900
    assert cosine.max() < 1 - 1e-9
    assert distance.max() < -1e-6
    # Alarms on new rows are frequent, as documented, and far from certain.
    assert model.is_novel(KNOWN).mean() < 0.3


def test_a_class_that_has_no_stored_row_is_near_at_its_mean(monkeypatch):
    monkeypatch.setattr(_reference, "_MOST_STORED", 8)
    model = _stored_model()
    reference = dict(model._reference)
    reference["outputs"] = reference["outputs"][:, :0]
    reference["target"], reference["fold"] = reference["target"][:0], reference["fold"][:0]
    model._reference = reference
    distance = np.square(model.score_samples(X, "mahalanobis_neighbors"))
    np.testing.assert_allclose(distance, -model.score_samples(X, "mahalanobis"), rtol=1e-6)


def test_a_member_without_rows_sees_those_of_others(members):
    known, encoded = dict(members._reference), members.encoder_.transform(X[:3])
    known["counts"], known["fold"] = known["counts"].copy(), np.full_like(known["fold"], 2)
    known["counts"][2] = 0
    assert np.isfinite(neighbor_scores(members, known, encoded)).all()


def test_resultant_length_is_the_score_of_that_name(members):
    np.testing.assert_allclose(
        members.score_samples(X, "resultant_length"), members.resultant_length(X)
    )


def test_the_default_is_the_sum_of_logarithms_of_tail_shares(members):
    # Above the lowest tenth a score is the share of held-out rows that are no higher, of which
    # each has been seen to be one: the two columns then add up.
    judged = members._reference["judged"]
    scores = [members.score_samples(KNOWN, name) for name in ("neighbors", "mahalanobis_neighbors")]
    shares = [
        (np.searchsorted(np.sort(column), score, side="right") + 0.5) / (len(column) + 1)
        for column, score in zip(judged.T, scores, strict=True)
    ]
    usual = (shares[0] > 0.11) & (shares[1] > 0.11)
    assert usual.mean() > 0.5
    np.testing.assert_allclose(
        members.score_samples(KNOWN)[usual], np.log(shares).sum(axis=0)[usual], rtol=1e-9
    )


def test_scores_go_on_falling_beyond_all_that_is_known(members):
    far = X[FIT[:50]] * np.array([[1.0], [2.0], [4.0]])[:, None]
    scores = [members.score_samples(rows).mean() for rows in far]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_alarms_are_as_frequent_as_asked_for(model, rate):
    false_alarms = model.is_novel(KNOWN, rate).mean()
    # Three standard deviations of the quantile of the fewest held-out rows, 90, and of the test.
    n_rows = 1 / (1 / 90 + 1 / len(KNOWN))
    assert false_alarms < rate + 3 * np.sqrt(rate * (1 - rate) / n_rows)


def test_strangers_are_found(members):
    assert members.is_novel(STRANGE).mean() > 0.6


def test_rejected_labels_are_masked(members):
    y = members.predict_or_reject(X, 0.1)
    np.testing.assert_array_equal(np.ma.getmaskarray(y), members.is_novel(X, 0.1))
    np.testing.assert_array_equal(y.data, members.predict(X))
    assert set(y.filled(-1)) == {-1, *range(8)}


def test_uncertain_labels_are_masked_as_well(members):
    y = members.predict_or_reject(X, 0.1, least_probability=0.9)
    uncertain = members.predict_proba(X).max(axis=1) < 0.9
    np.testing.assert_array_equal(y.mask, members.is_novel(X, 0.1) | uncertain)


def test_little_is_kept_of_many_rows(members):
    assert len(members._reference["judged"]) <= 1000
    many = np.repeat(X[FIT], 3, axis=0)
    model = clone(MODELS["one network"]).set_params(max_epochs=1).fit(many, np.repeat(Y[FIT], 3))
    assert model._reference["outputs"].shape[1] <= 2000
    # Every class has its share.
    assert (np.bincount(model._reference["target"]) > 160).all()


def test_wide_outputs_of_fewer_rows_are_stored(monkeypatch):
    monkeypatch.setattr(_reference, "_MOST_STORED_NUMBERS", 2**14)
    model = clone(MODELS["members"]).set_params(max_epochs=1).fit(X[FIT], Y[FIT])
    assert 2**13 < model._reference["outputs"].size <= 2**14


def test_concentration_is_high_where_rows_of_a_class_lie_close(members):
    z = members.transform(X[FIT]).astype(np.float64)
    length = [np.linalg.norm(z[Y[FIT] == k].mean(axis=0)) for k in range(8)]
    assert members.kappa_.shape == (8,)
    assert np.argmax(members.kappa_) == np.argmax(length)


def test_a_class_of_one_row_has_the_concentration_of_others():
    rows = np.append(FIT, np.flatnonzero(Y == 9)[0])
    model = clone(MODELS["members"]).set_params(max_epochs=2).fit(X[rows], Y[rows])
    assert model.kappa_[:-1].min() <= model.kappa_[-1] <= model.kappa_[:-1].max()


def test_parts_of_a_stream_add_to_what_is_known():
    model = clone(MODELS["one network"])
    model.partial_fit(X[FIT[:400]], Y[FIT[:400]], classes=np.arange(8))
    for _ in range(5):
        model.partial_fit(X[FIT[400:]], Y[FIT[400:]])
    # A part without some classes does not make strangers of their rows.
    part = FIT[Y[FIT] < 2]
    model.partial_fit(X[part], Y[part])
    assert (model._reference["counts"] > 0).all()
    assert model.is_novel(KNOWN).mean() < 0.3


def test_rows_of_another_pass_do_not_judge_themselves():
    model = clone(MODELS["one network"])
    model.partial_fit(X[FIT], Y[FIT], classes=np.arange(8))
    for _ in range(4):
        model.partial_fit(X[FIT], Y[FIT])
    # Stored copies of them, of earlier passes, would be nearest: 0.14 to 0.16.
    assert model.is_novel(KNOWN).mean() < 0.12


def test_a_new_fit_forgets_what_was_known():
    model = clone(MODELS["one network"]).set_params(max_epochs=1).fit(X, Y)
    model.fit(X[FIT], Y[FIT])
    assert model._reference["counts"].shape == (1, 8)


def test_scores_survive_a_file(model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    for method in METHODS:
        np.testing.assert_array_equal(
            loaded.score_samples(STRANGE, method), model.score_samples(STRANGE, method)
        )
    np.testing.assert_array_equal(loaded.is_novel(X), model.is_novel(X))


@pytest.mark.parametrize("method", ["knn", None, 3])
def test_unknown_methods_are_refused(members, method):
    with pytest.raises(ValueError, match=r"method must be one of \['auto', .*, got"):
        members.score_samples(X, method)


@pytest.mark.parametrize("rate", [0, 1, 5, "0.05", None])
def test_rates_are_shares(members, rate):
    with pytest.raises(ValueError, match="false_alarm_rate must be a number between 0 and 1"):
        members.is_novel(X, rate)


def test_rates_that_no_rows_can_vouch_for_are_refused(one_network):
    with pytest.raises(ValueError, match=r"false_alarm_rate is 0\.001, but \d+ held-out samples"):
        one_network.is_novel(X, 0.001)


@pytest.mark.parametrize("probability", [-0.1, 2, "high"])
def test_probabilities_are_shares(members, probability):
    with pytest.raises(ValueError, match=r"least_probability must be a number in \[0, 1\]"):
        members.predict_or_reject(X, least_probability=probability)


@pytest.mark.parametrize("method", ["score_samples", "is_novel", "predict_or_reject"])
def test_novelty_needs_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(HypersphericalPrototypeClassifier(), method)(X)


def _moments(h, target, weight=None, fold=None):
    rows = TensorData(torch.zeros(len(target), 1), torch.from_numpy(target), weight, fold)
    return moments(h, rows, 3)


def _known(h, target):
    rows = TensorData(torch.zeros(len(target), 1), torch.from_numpy(target))
    return {**moments(h, rows, 3), **remembered(h, rows)}


RNG = np.random.default_rng(0)
H, TARGET = RNG.normal(size=(2, 30, 4)), RNG.integers(0, 3, 30)


def test_moments_count_a_weight_as_copies():
    weight = torch.from_numpy(RNG.integers(1, 4, 30))
    copies = np.repeat(np.arange(30), weight)
    weighted, copied = _moments(H, TARGET, weight), _moments(H[:, copies], TARGET[copies])
    for name in ("counts", "means", "scatter"):
        np.testing.assert_allclose(weighted[name], copied[name])


def test_moments_of_a_member_leave_out_the_rows_that_it_judges():
    fold = torch.from_numpy(np.arange(30) % 3 - 1)
    found = _moments(H, TARGET, fold=fold)
    others = fold.numpy() != 1
    expected = _moments(H[1:, others], TARGET[others])
    for name in ("counts", "means", "scatter"):
        np.testing.assert_allclose(found[name][1], expected[name][0])


@pytest.mark.parametrize("n_former", [1, 10, 29])
def test_moments_that_are_merged_are_those_of_all_rows(n_former):
    former, latter = (
        _known(H[:, part], TARGET[part]) for part in (slice(n_former), slice(n_former, None))
    )
    merged, expected = merge(former, latter, memory=1.0), _moments(H, TARGET)
    # The latest first: they stay where there is no room for all.
    assert merged["outputs"].shape == H.shape
    np.testing.assert_array_equal(merged["outputs"][:, : 30 - n_former], latter["outputs"])
    np.testing.assert_array_equal(merged["target"][: 30 - n_former], latter["target"])
    for name in ("counts", "means", "scatter"):
        np.testing.assert_allclose(merged[name], expected[name], atol=1e-12)


def test_classes_that_move_take_along_what_is_known_of_them():
    known = _known(H, TARGET)
    moved = rearranged(known, np.array([0, 2, 3]), 4)
    np.testing.assert_array_equal(moved["counts"][:, [0, 2, 3]], known["counts"])
    np.testing.assert_array_equal(moved["means"][:, [0, 2, 3]], known["means"])
    np.testing.assert_array_equal(moved["counts"][:, 1], 0)
    np.testing.assert_array_equal(moved["target"], np.array([0, 2, 3])[TARGET])


LABELS = {
    "at random": torch.randint(3, (1000,), generator=torch.Generator().manual_seed(0)),
    "in turn": torch.arange(1000) % 4,
    "in order": torch.arange(1000).sort().values // 250,
    "rare": (torch.arange(1000) == 777).long() + 2 * (torch.arange(1000) % 500 == 1).long(),
}


@pytest.mark.parametrize("n_sorted", [1, 7, 128, 999])
@pytest.mark.parametrize("target", LABELS.values(), ids=LABELS)
def test_rows_to_remember_are_an_even_share_of_every_class(target, n_sorted, monkeypatch):
    at_once = _reference._even_share(target, 4, 100)
    monkeypatch.setattr(_reference, "_MOST_SORTED", n_sorted)
    chosen = _reference._even_share(target, 4, 100)
    assert torch.equal(chosen, at_once)
    counts = torch.bincount(target, minlength=4)
    expected = torch.where(counts < 25, counts, 25)
    assert torch.bincount(target[chosen], minlength=4).tolist() == expected.tolist()
    places = (target[chosen] == 0).nonzero()[:, 0]
    # From all parts: no gap between rows of a class is larger than two steps.
    ranks = (target == 0).cumsum(0)[chosen[places]]
    assert ranks.diff().max() <= 2 * counts[0] / 25


def test_few_rows_are_all_remembered():
    assert _reference._even_share(torch.arange(9) % 2, 2, 9).tolist() == list(range(9))
