"""Classes that come after a fit get their place, and those that were there keep theirs."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from sphereskl import MLP, HypersphericalPrototypeClassifier, load, save
from sphereskl.training import row_keys

X, Y = load_digits(return_X_y=True)
BASE = np.flatnonzero(np.isin(Y, [0, 1, 3, 4, 6, 7, 8]))
NEW = [2, 5, 9]
# Twenty rows of each class that comes later, and as many of all.
SUPPORT = np.concatenate([np.flatnonzero(Y == k)[:20] for k in NEW])
EXEMPLARS = np.concatenate([np.flatnonzero(Y == k)[:20] for k in range(10)])
PLAIN = HypersphericalPrototypeClassifier(max_epochs=15, random_state=0)
RESERVED = HypersphericalPrototypeClassifier(n_reserved=4, max_epochs=15, random_state=0)


@pytest.fixture
def plain(fitted):
    return pickle.loads(fitted[0])


@pytest.fixture
def reserved(fitted):
    return pickle.loads(fitted[1])


@pytest.fixture(scope="module")
def fitted():
    # A pickle of each, so that no test sees what another one did.
    return [pickle.dumps(clone(model).fit(X[BASE], Y[BASE])) for model in (PLAIN, RESERVED)]


def test_reserved_prototypes_are_no_classes(reserved):
    assert reserved.prototypes_.shape == (7, 64)
    assert reserved.reserved_prototypes_.shape == (4, 64)
    assert reserved.predict_proba(X).shape == (len(X), 7)
    assert set(reserved.predict(X)) <= set(Y[BASE])


def test_all_prototypes_are_equally_far_apart(reserved):
    rows = np.concatenate([reserved.prototypes_, reserved.reserved_prototypes_])
    cosines = (rows @ rows.T)[~np.eye(11, dtype=bool)]
    np.testing.assert_allclose(cosines, -1 / 10, atol=1e-6)


def test_embeddings_keep_away_from_what_is_reserved(reserved):
    free = reserved.reserved_prototypes_
    nearness = (reserved.transform(X[BASE]) @ free.T).max(axis=1)
    own = (reserved.transform(X[BASE]) @ reserved.prototypes_.T).max(axis=1)
    assert (nearness < own - 0.3).mean() > 0.99


def test_a_new_label_claims_the_free_prototype_nearest_to_its_rows(reserved):
    rows = np.flatnonzero(Y == 2)[:20]
    mean = reserved.transform(X[rows]).mean(axis=0)
    free = reserved.reserved_prototypes_
    wanted = free[np.argmax(free @ mean)]
    reserved.partial_fit(X[rows], Y[rows])
    np.testing.assert_array_equal(reserved.classes_, [0, 1, 2, 3, 4, 6, 7, 8])
    np.testing.assert_array_equal(reserved.prototypes_[2], wanted)
    assert len(reserved.reserved_prototypes_) == 3


def test_several_labels_claim_prototypes_of_their_own(reserved):
    before = reserved.prototypes_
    reserved.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    np.testing.assert_array_equal(reserved.classes_, np.arange(10))
    assert len(np.unique(reserved.prototypes_, axis=0)) == 10
    np.testing.assert_array_equal(reserved.prototypes_[np.unique(Y[BASE])], before)
    assert len(reserved.reserved_prototypes_) == 1


def test_claimed_classes_are_learned(reserved):
    for _ in range(10):
        reserved.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    assert reserved.score(X, Y) > 0.85


def test_learning_goes_on_with_the_classes_that_were_claimed(reserved):
    reserved.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    reserved.set_params(warm_start=True, max_epochs=2).fit(X, Y)
    assert reserved.score(X, Y) > 0.95


def test_judges_stay_the_same_when_classes_come_in(reserved):
    keys = row_keys(X[BASE], reserved.net_.seed)
    before = reserved._key_ranges.part_of(keys, reserved.target_encoder_.encode(Y[BASE]))
    reserved.partial_fit(X[SUPPORT], Y[SUPPORT])
    after = reserved._key_ranges.part_of(keys, reserved.target_encoder_.encode(Y[BASE]))
    np.testing.assert_array_equal(before, after)


def test_more_labels_than_reserved_prototypes_are_refused(reserved):
    y = np.array([20, 21, 22, 23, 24])
    before = reserved.predict_proba(X)
    with pytest.raises(
        ValueError, match=r"\[20, .*\], which are not among .* and 4 of n_reserved=4"
    ):
        reserved.partial_fit(X[:5], y)
    np.testing.assert_array_equal(reserved.predict_proba(X), before)
    assert len(reserved.classes_) == 7


def test_without_reserved_prototypes_new_labels_are_refused(plain):
    with pytest.raises(ValueError, match=r"labels \[2, 5, 9\], which are not among the classes"):
        plain.partial_fit(X[SUPPORT], Y[SUPPORT])


def test_a_part_that_fails_leaves_the_classes_as_they_were(reserved):
    before = reserved.predict_proba(X)
    reserved.set_params(lr=1e38)
    with pytest.raises(ValueError, match="diverged"):
        reserved.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    np.testing.assert_array_equal(reserved.predict_proba(X), before)
    assert len(reserved.classes_) == 7
    assert len(reserved.reserved_prototypes_) == 4


def test_given_prototypes_leave_no_room():
    model = clone(RESERVED).set_params(prototypes=np.eye(7))
    with pytest.raises(ValueError, match="n_reserved is 4, but prototypes are given"):
        model.fit(X[BASE], Y[BASE])


def test_prototypes_that_learn_may_be_reserved():
    model = clone(RESERVED).set_params(prototypes="learned", max_epochs=5).fit(X[BASE], Y[BASE])
    model.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    np.testing.assert_array_equal(model.classes_, np.arange(10))
    assert model.score(X, Y) > 0.7


@pytest.mark.parametrize("model", ["plain", "reserved"])
def test_added_classes_are_told_apart(model, request):
    model = request.getfixturevalue(model).add_classes(X[SUPPORT], Y[SUPPORT])
    np.testing.assert_array_equal(model.classes_, np.arange(10))
    is_base = np.isin(Y, Y[BASE])
    assert model.score(X[is_base], Y[is_base]) > 0.9
    assert model.score(X[~is_base], Y[~is_base]) > 0.25


def test_classes_are_added_where_no_rows_are_held_out():
    model = HypersphericalPrototypeClassifier(
        backbone=MLP((32,), n_members=1), validation_fraction=0, max_epochs=10, random_state=0
    )
    model.fit(X[BASE], Y[BASE]).add_classes(X[SUPPORT], Y[SUPPORT])
    assert model.classes_.tolist() == list(range(10))
    assert np.mean(model.predict(X[SUPPORT]) == Y[SUPPORT]) > 0.5
    assert model.partial_fit(X[EXEMPLARS], Y[EXEMPLARS]).score(X[EXEMPLARS], Y[EXEMPLARS]) > 0.8


def test_one_row_is_enough(plain):
    rows = [np.flatnonzero(Y == k)[0] for k in NEW]
    plain.add_classes(X[rows], Y[rows])
    np.testing.assert_array_equal(plain.predict(X[rows]), NEW)


def test_added_classes_leave_cosines_with_others_as_they_are(plain):
    before, labels = plain.decision_function(X), plain.predict(X)
    plain.add_classes(X[SUPPORT], Y[SUPPORT])
    old = np.isin(plain.classes_, Y[BASE])
    np.testing.assert_allclose(plain.decision_function(X)[:, old], before, atol=1e-6)
    # A label changes only to a new one.
    now = plain.predict(X)
    assert np.isin(now[now != labels], NEW).all()


def test_few_rows_of_known_classes_are_taken_for_new_ones(plain):
    before = plain.predict(X[BASE])
    plain.add_classes(X[SUPPORT], Y[SUPPORT])
    assert (plain.predict(X[BASE]) != before).mean() < 0.04


def test_rows_of_added_classes_are_known_from_then_on(plain):
    rows = X[np.isin(Y, NEW)]
    before = plain.score_samples(rows, "mahalanobis").mean()
    plain.add_classes(X[SUPPORT], Y[SUPPORT])
    assert plain.score_samples(rows, "mahalanobis").mean() > before


def test_added_classes_can_be_learned_more_of(plain):
    plain.add_classes(X[SUPPORT], Y[SUPPORT])
    for _ in range(10):
        plain.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    assert plain.score(X, Y) > 0.8


def test_a_row_of_weight_zero_has_no_say(plain):
    weight = np.ones(len(SUPPORT))
    weight[::2] = 0
    other = pickle.loads(pickle.dumps(plain))
    plain.add_classes(X[SUPPORT], Y[SUPPORT], sample_weight=weight)
    other.add_classes(X[SUPPORT[1::2]], Y[SUPPORT[1::2]])
    np.testing.assert_array_equal(plain.predict_proba(X), other.predict_proba(X))


def test_a_weight_counts_as_copies(plain):
    weight = np.arange(len(SUPPORT)) % 3 + 1
    copies = np.repeat(SUPPORT, weight)
    other = pickle.loads(pickle.dumps(plain))
    plain.add_classes(X[SUPPORT], Y[SUPPORT], sample_weight=weight)
    other.add_classes(X[copies], Y[copies])
    np.testing.assert_allclose(plain.predict_proba(X), other.predict_proba(X), atol=1e-5)


def test_known_labels_are_refused(plain):
    rows = np.append(SUPPORT, np.flatnonzero(Y == 3)[0])
    with pytest.raises(ValueError, match=r"labels \[3\], which are classes already"):
        plain.add_classes(X[rows], Y[rows])
    assert len(plain.classes_) == 7


def test_labels_of_another_type_are_refused(plain):
    with pytest.raises(ValueError, match=r"new labels \['two'\] are of another type"):
        plain.add_classes(X[:1], ["two"])
    assert len(plain.classes_) == 7


def test_values_of_a_measurement_are_no_labels(plain):
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        plain.add_classes(X[:2], [10.5, 11.5])
    assert len(plain.classes_) == 7


def test_labels_may_be_longer_strings_than_those_that_were_there():
    names = np.array(["a", "b", "c", "d", "e", "f", "g", "h", "i", "a long name"])[Y]
    model = clone(PLAIN).set_params(max_epochs=1).fit(X[BASE], names[BASE])
    model.add_classes(X[SUPPORT], names[SUPPORT])
    assert list(model.classes_) == sorted(set(names))


@pytest.mark.parametrize("prototypes", ["auto", "learned", "given", "mapping"])
@pytest.mark.parametrize("loss", ["cross_entropy", "logits"])
def test_models_with_added_classes_travel(prototypes, loss, tmp_path):
    given = {
        "given": np.eye(7, 12),
        "mapping": dict(zip(np.unique(Y[BASE]), np.eye(7), strict=True)),
    }
    model = clone(PLAIN).set_params(
        prototypes=given.get(prototypes, prototypes), loss=loss, max_epochs=1
    )
    model.fit(X[BASE], Y[BASE]).add_classes(X[SUPPORT], Y[SUPPORT])
    save(model, tmp_path / "model.safetensors")
    for other in (load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.classes_, model.classes_)
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        other.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])


def test_claims_travel(reserved, tmp_path):
    reserved.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    save(reserved, tmp_path / "model.safetensors")
    for other in (load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(reserved))):
        np.testing.assert_array_equal(other.reserved_prototypes_, reserved.reserved_prototypes_)
        np.testing.assert_array_equal(other.predict_proba(X), reserved.predict_proba(X))


def test_a_new_fit_forgets_classes_that_were_added(plain):
    plain.add_classes(X[SUPPORT], Y[SUPPORT]).set_params(max_epochs=1).fit(X[BASE], Y[BASE])
    assert len(plain.classes_) == len(plain.prototypes_) == 7


def test_one_network_has_room_as_well():
    model = clone(RESERVED).set_params(backbone=MLP(n_members=1)).fit(X[BASE], Y[BASE])
    model.add_classes(X[SUPPORT[:20]], Y[SUPPORT[:20]])
    for _ in range(5):
        model.partial_fit(X[EXEMPLARS], Y[EXEMPLARS])
    assert model.score(X, Y) > 0.8
