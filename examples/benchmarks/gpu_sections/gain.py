"""Scale of the initial weights: which networks train whatever it is."""

from spherenet_depth import BATCH, GAINS, SCALE_CASES, deviation, make_network, train

from sphereskl.geometry import one_thread

from .plain_images import half_size
from .rows import Plan
from .tables import by_name, spread, table

TITLE = "Scale of the initial weights"
ABOUT = """
All weights are multiplied by the gain before training. Training loss on the last 50 batches,
2.303 being that of guessing: mean ± standard deviation (number of seeds). The third column is the
largest change of the first outputs by the gain, relative to the largest output. Ten layers, 12, 16
and 24 filters, no batch normalisation, images of 16 x 16 pixels; Adam with 1e-3, batches of 64.
"""


def plan(settings):
    return [
        Plan(f"{case}; {gain:g}", {**settings, "case": case, "gain": gain})
        for case in SCALE_CASES
        for gain in GAINS
    ]


def measure(settings, seed, place):
    X, y = half_size(settings, place)
    config, gain = SCALE_CASES[settings["case"]], settings["gain"]
    with one_thread():  # layers are so thin that threads wait for each other
        changed = deviation(config, X[:BATCH].cpu(), seed, gain)
        network = make_network(config, seed, gain).to(place.device)
        loss, _ = train(network, X, y, seed, settings["steps"])
    return {"changed": changed, "training_loss": loss}


def tables(rows):
    if not rows:
        return []
    lines = []
    for name, results in by_name(rows).items():
        changed = max(each["changed"] for each in results.values())
        losses = [each["training_loss"] for each in results.values()]
        cell = spread(losses, 2) if max(losses) < 1e3 else f"up to {max(losses):.1e}"
        lines.append([*name.split("; "), f"{changed:.1e}", cell])
    head = ["network", "gain", "change of first outputs", "training loss"]
    return [f"{rows[0]['settings']['steps']} batches.", table(head, lines)]
