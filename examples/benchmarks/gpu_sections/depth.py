"""Plain networks of many layers, with and without batch normalisation, equally regularised."""

from spherenet_depth import depth_cases, make_network, train

from sphereskl.geometry import one_thread
from sphereskl.nn import Regularizer, SphereCNN

from .plain_images import half_size
from .rows import Plan
from .tables import by_name, filters, spread, table

TITLE = "Depth"
ABOUT = """
Accuracy on the last 50 training batches in per cent, 10 being that of guessing: mean ± standard
deviation (number of seeds). Plain networks of 3 x 3 convolutions in three stages, without
shortcuts, on images of 16 x 16 pixels; Adam with 1e-3, batches of 64; the same orthogonality
regulariser in every network. The numbers of layers count convolutions and one dense layer.
"""


def cases(depth, widths):
    """Configurations of a depth, by name."""
    both = SphereCNN(depth, widths)
    return {**depth_cases(depth, widths), "spherical, sigmoid 0.3 + batch norm + ReLU": both}


def plan(settings):
    shared = {key: settings[key] for key in ("set", "images", "widths", "steps")}
    return [
        Plan(f"{depth + 1} layers; {case}", {**shared, "depth": depth, "case": case})
        for depth in settings["depths"]
        for case in cases(depth, settings["widths"])
    ]


def measure(settings, seed, place):
    X, y = half_size(settings, place)
    config = cases(settings["depth"], tuple(settings["widths"]))[settings["case"]]
    network = make_network(config, seed).to(place.device)
    regularizer = Regularizer("orthogonal", layers="all")
    with one_thread():  # layers are so thin that threads wait for each other
        loss, accuracy = train(network, X, y, seed, settings["steps"], regularizer)
    return {"accuracy": accuracy, "training_loss": loss}


def tables(rows):
    if not rows:
        return []
    results = by_name(rows)
    depths, names = ([*dict.fromkeys(part)] for part in zip(*map(_parts, results), strict=True))
    lines = []
    for case in names:
        found = [results.get(f"{depth}; {case}", {}) for depth in depths]
        cells = [spread([r["accuracy"] for r in each.values()], 1, 100) for each in found]
        lines.append([case, *cells])
    own = rows[0]["settings"]
    return [
        f"{own['steps']} batches of {own['images']:,} images, {filters(own['widths'])}.",
        table(["network", *depths], lines),
    ]


def _parts(name):
    return name.split("; ")
