"""Write docs/_static/sphere_data.js, the digits on the sphere of the landing page.

Run it from the root of the repository: python docs/programs/sphere_data.py

Half of the digits are trained on in three dimensions, the other half is shown. The same
versions of torch and scikit-learn write the same bytes; the file is in the repository, so that
a build of the documentation trains nothing.
"""

import base64
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from sphereskl import HypersphericalPrototypeClassifier

PATH = Path(__file__).parents[1] / "_static" / "sphere_data.js"
UNIT = 32767  # a coordinate of 1 as an integer of two bytes


def as_text(numbers):
    """Return the bytes of an array in base64."""
    return base64.b64encode(numbers.tobytes()).decode()


def pack_points(points):
    """Return unit vectors as text: three little-endian integers of two bytes each."""
    return as_text(np.round(points * UNIT).astype("<i2"))


def pack_images(rows):
    """Return images of 0 to 16 as text: two pixels a byte, the first in the upper half."""
    levels = np.minimum(rows, 15).astype(np.uint8)
    return as_text(levels[:, ::2] << 4 | levels[:, 1::2])


def learn_digits():
    """Return what the page needs to know of the digits that were not trained on."""
    X, y = load_digits(return_X_y=True)
    model = HypersphericalPrototypeClassifier(embedding_dim=3, random_state=0, device="cpu")
    model.fit(X[::2], y[::2])
    unseen, labels = X[1::2], y[1::2]
    return {
        "points": pack_points(model.transform(unseen)),
        "prototypes": pack_points(model.prototypes_),
        "labels": "".join(map(str, labels)),
        "predicted": "".join(map(str, model.predict(unseen))),
        "images": pack_images(unseen),
    }


if __name__ == "__main__":
    data = json.dumps(learn_digits(), indent=0)
    PATH.write_text(f"// Written by docs/programs/sphere_data.py.\nwindow.sphereData = {data};\n")
    print(f"wrote {PATH} ({PATH.stat().st_size / 1000:.0f} kB)")
