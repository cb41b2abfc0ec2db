"""Images in minutes: prototypes and spherical layers, each next to its softmax twin."""

from sphereskl import SphereNetClassifier
from sphereskl.nn import Regularizer

from .images import fit, subset
from .networks import describe
from .rows import Plan
from .tables import by_name, differences, spread, table

TITLE = "Images in minutes"
ABOUT = """
Test accuracy of the last iterate in per cent: mean ± standard deviation (number of seeds). The
softmax twin is the same network with the same recipe and an ordinary softmax layer; differences are
taken seed by seed, in points. "Weight decay" is the recipe of ordinary networks; under
"orthogonality" all layers, ordinary and spherical, have the same regulariser and no weight decay.
Training images are mirrored in every second epoch and shifted; nothing is done at test time.

For comparison: programs tuned for speed reach 94.0 % on CIFAR-10 in 2.6 s and 96.0 % in 27 s on one
A100 with an ordinary softmax layer (airbench); the SphereNet paper reports 91.40 % for SphereNet-9
and 94.63 % for SphereResNet-32, last iterate. Goals of this package with all of CIFAR-10: 95.5 %
with prototypes within 60 s of a fit, 92.5 % with a SphereNet, 95.2 % with a SphereResNet.
"""
SOFTMAX, ORTHOGONAL, DECAY = "softmax", "orthogonality", "weight decay"
# Outputs below the softmax layer where layers may be spherical: the layer itself is ordinary.
WIDTH = 64
# Rounds after those of all sections and seeds.
_LATE = 1000


def plan(settings):
    plans = [
        _plan(settings, images, net, *case, first_round=first_round)
        for key, first_round in (("cases", 0), ("late_cases", _LATE))
        for images, net, cases in settings[key]
        for case in cases
    ]
    return plans + [_authors(settings, layers) for layers in settings["authors"]]


def _plan(settings, images, net, layers, regularizer, head, first_round):
    own = {
        **settings["recipe"],
        **settings["nets"][net],
        "set": images,
        "layers": layers,
        "regularizer": regularizer,
        "head": head,
    }
    return Plan(_name(images, net, layers, regularizer, head), own, first_round=first_round)


def _authors(settings, layers):
    name = _name("cifar10", "authors' recipe, 164 epochs", layers, ORTHOGONAL, "w_softmax")
    own = {"authors": True, "layers": layers, **settings["authors_recipe"]}
    return Plan(name, own, first_round=2 * _LATE, least_seconds=settings["authors_seconds"])


def _name(images, net, layers, regularizer, head):
    told = head if isinstance(head, str) else f"prototypes, d = {head}"
    return "; ".join((images, net, layers, regularizer, told))


def measure(settings, seed, place):
    if settings.get("authors"):
        return _measure_authors(settings, seed, place)
    orthogonal = settings["regularizer"] == ORTHOGONAL
    return fit(
        settings["head"],
        describe(settings["net"], settings["layers"] == "spherical"),
        settings,
        seed,
        place,
        orthogonal=orthogonal,
        width=WIDTH if orthogonal else None,
    )


def _measure_authors(settings, seed, place):
    """Train SphereNet-9 as the authors do, and its ordinary twin with the same regulariser."""
    from spherenet_cifar10 import network

    X, y, X_test, y_test = subset(settings, place.data)
    options = {} if settings["layers"] == "spherical" else {"spherical": False}
    classifier = SphereNetClassifier.parity(
        backbone=network(tuple(settings["widths"]), **options),
        regularizer=Regularizer("orthogonal", exact=True, layers="all"),
        max_epochs=settings["epochs"],
        validation_fraction=0,
        device=place.device,
        random_state=seed,
    ).fit(X, y)
    epochs = [epoch["dur"] for epoch in classifier.history_]
    return {
        "accuracy": float(classifier.score(X_test, y_test)),
        "training_loss": classifier.loss_curve_[-1],
        "fit_seconds": sum(epochs),
        "epoch_seconds": sorted(epochs)[len(epochs) // 2],
    }


def tables(rows):
    if not rows:
        return []
    results = by_name(rows)
    head = ["images", "network", "layers", "regulariser", "last layer", "accuracy, %"]
    head += ["- softmax twin", "s a fit"]
    lines = []
    for name, own in results.items():
        *twin, last = name.split("; ")
        of_twin = results.get("; ".join((*twin, SOFTMAX)), {})
        apart = [] if last == SOFTMAX else differences(own, of_twin, "accuracy")
        accuracy = spread([each["accuracy"] for each in own.values()], factor=100)
        seconds = sum(each["fit_seconds"] for each in own.values()) / len(own)
        cells = [accuracy, spread(apart, factor=100), f"{seconds:.1f}"]
        lines.append([*twin, last, *cells])
    return [recipe(rows), table(head, lines)]


def recipe(rows):
    """Say how networks were trained, for each recipe among the rows."""
    told = []
    for row in rows:
        own = row["settings"]
        if not own.get("authors"):
            told.append(
                f"{own['images']:,} training and {own['test_images']:,} test images, "
                f"{own['epochs']} epochs of batches of {own['batch_size']}, lr {own['lr']:g}, "
                f"shift {own['shift']}, weight decay {own['weight_decay']:g}"
            )
    return "Recipe: " + "; ".join(dict.fromkeys(told)) + "."
