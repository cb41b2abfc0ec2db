"""What happens to saved models that were damaged, by accident or by intent.

    python examples/benchmarks/damages.py [--damages 1000] [--seed 0]

Saves the five estimators, fitted on small real data, damages copies of their files at random,
and loads these. A damage that leaves the checksum as it was must be refused by a ValueError; a
header that somebody edited, with a checksum that fits, must be refused so or load. A second
table tells what models weigh in a file, as a pickle and in skops' format, and how long saving
and loading takes.
"""

import argparse
import hashlib
import json
import os
import pickle
import random
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import skops.io
from sklearn.datasets import load_diabetes, load_digits, load_iris

from sphereskl import (
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
    load,
    save,
)

OPENING = b'{"__metadata__":{"sphereskl":"{\\"checksum\\":\\"'
SEAL = slice(8 + len(OPENING), 8 + len(OPENING) + 64)

# What stands in an edited header: absurd, hostile, or merely wrong.
ODD_VALUES = [
    *(None, True, False, 0, -1, 3, 10**12, 10**30, 1e308, 0.5, "", "os.system", "__doc__", "NaN"),
    *([], [[]], {}, [10**9, 10**9], {"config": "__doc__", "fields": {}}, {"float": "nan"}),
    *({"config": "MLP", "fields": {"hidden_layer_sizes": [10**9, 10**9]}}, {"tuple": [10**9]}),
    *({"config": "SphereCNN", "fields": {"depth": 3 * 10**8}}, {"array": "module.log_scale"}),
    {"array": "module.log_scale", "dtype": "<U1000000000", "shape": [10**9]},
    {"pairs": [[[], 1]]},
]


def flip_bit(content, rng):
    place = rng.randrange(len(content))
    content[place] ^= 1 << rng.randrange(8)
    return content


def lose_end(content, rng):
    return content[: rng.randrange(len(content))]


def lose_part(content, rng):
    start = rng.randrange(len(content))
    del content[start : start + rng.randrange(1, 5000)]
    return content


def insert_bytes(content, rng):
    place = rng.choice([0, len(content), rng.randrange(len(content))])
    content[place:place] = rng.randbytes(rng.randrange(1, 5000))
    return content


def swap_blocks(content, rng):
    size = rng.randrange(1, len(content) // 4)
    first = rng.randrange(len(content) - 2 * size)
    second = rng.randrange(first + size, len(content) - size + 1)
    swapped = content[second : second + size], content[first : first + size]
    content[first : first + size], content[second : second + size] = swapped
    return content


def edit_header(content, rng):
    """Change a value of the header, ours or that of a tensor, and nothing else."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["sphereskl"])
    if rng.random() < 0.8:
        _edit({name: ours[name] for name in ours if name != "checksum"}, ours, rng)
    else:
        _edit({name: header[name] for name in header if name != "__metadata__"}, header, rng)
    header["__metadata__"]["sphereskl"] = json.dumps(ours, separators=(",", ":"))
    text = json.dumps(header, separators=(",", ":")).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + content[8 + length :])


def forge(content, rng):
    """Edit the header, and write the checksum that fits."""
    content = edit_header(content, rng)
    content[SEAL] = b"0" * 64
    content[SEAL] = hashlib.blake2b(content, digest_size=32).hexdigest().encode()
    return content


def _edit(choices, owner, rng):
    """Change something somewhere below one of the choices."""
    name = rng.choice(sorted(choices))
    while True:
        value = owner[name]
        deeper = (
            list(value)
            if isinstance(value, dict)
            else list(range(len(value)))[:50]
            if (isinstance(value, list))
            else []
        )
        if not deeper or rng.random() < 0.25:
            break
        owner, name = value, rng.choice(deeper)
    if isinstance(owner, dict) and rng.random() < 0.2:
        del owner[name]
    elif isinstance(owner, dict) and rng.random() < 0.1:
        owner[rng.choice(["predict", "__class__", "new", "new_"])] = owner[name]
    else:
        owner[name] = rng.choice(ODD_VALUES)


FORGED = "the header is edited, the checksum fits"
DAMAGES = {
    "a flipped bit": flip_bit,
    "the end is lost": lose_end,
    "a part is lost": lose_part,
    "bytes are inserted": insert_bytes,
    "blocks are swapped": swap_blocks,
    "the header is edited": edit_header,
    FORGED: forge,
}


def fitted_models(max_epochs=2):
    """The five estimators by name, fitted on tables, images and values."""
    options = {"max_epochs": max_epochs, "random_state": 0}
    X, y = load_iris(return_X_y=True)
    digits, digit = load_digits(return_X_y=True)
    images = {"input_shape": (8, 8), "backbone": "convnet"}
    return {
        "HypersphericalPrototypeClassifier": HypersphericalPrototypeClassifier(
            **options, **images
        ).fit(digits[:300], digit[:300]),
        "HypersphericalOrdinalClassifier": HypersphericalOrdinalClassifier(**options).fit(X, y),
        "HypersphericalRegressor": HypersphericalRegressor(**options).fit(
            *load_diabetes(return_X_y=True)
        ),
        "HypersphericalMultiTask": HypersphericalMultiTask(**options).fit(
            load_iris(as_frame=True).frame.iloc[:, :3],
            load_iris(as_frame=True).frame.iloc[:, 3:5][["target", "petal width (cm)"]],
        ),
        "SphereNetClassifier": SphereNetClassifier(**options).fit(X, y),
    }


def outcome(path):
    """What loading a file ends in."""
    try:
        load(path)
    except Exception as error:
        return "refused" if type(error) is ValueError else type(error).__name__
    return "loaded"


def damage_all(contents, n_damages, seed):
    """Outcomes of damages, by their kind, and the longest time that one took."""
    rng = random.Random(seed)
    counts, longest = {kind: Counter() for kind in DAMAGES}, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged"
        for number in range(n_damages):
            kind = list(DAMAGES)[number % len(DAMAGES)]
            whole = rng.choice(contents)
            damaged = DAMAGES[kind](bytearray(whole), rng)
            if damaged == whole:
                continue
            path.write_bytes(damaged)
            start = time.perf_counter()
            counts[kind][outcome(path)] += 1
            longest = max(longest, time.perf_counter() - start)
    return counts, longest


def measure(models, folder):
    """Rows of the table of sizes and times."""
    for name, model in models.items():
        path, times = Path(folder) / name, {save: [], load: []}
        for _ in range(5):
            for call, arguments in ((save, (model, path)), (load, (path,))):
                start = time.perf_counter()
                call(*arguments)
                times[call].append(time.perf_counter() - start)
        weights = sum(tensor.nbytes for tensor in model.module_.state_dict().values())
        sizes = weights, path.stat().st_size, len(pickle.dumps(model)), len(skops.io.dumps(model))
        kilobytes = " | ".join(f"{size / 1000:,.1f}" for size in sizes)
        took = " | ".join(f"{1000 * statistics.median(times[call]):.1f}" for call in (save, load))
        yield f"| `{name}` | {kilobytes} | {took} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damages", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    models = fitted_models()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure(models, folder))
        contents = [Path(folder, name).read_bytes() for name in os.listdir(folder)]
    counts, longest = damage_all(contents, arguments.damages, arguments.seed)
    print("| damage | files | refused by a ValueError | loaded | other errors |")
    print("|---|--:|--:|--:|--:|")
    for kind, found in counts.items():
        other = found.total() - found["refused"] - found["loaded"]
        print(f"| {kind} | {found.total()} | {found['refused']} | {found['loaded']} | {other} |")
    print(f"\nThe longest took {longest:.2f} s.\n")
    print("| estimator | weights, kB | file | pickle | skops | save, ms | load, ms |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
