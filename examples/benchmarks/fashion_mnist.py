"""Fashion-MNIST with the defaults for images: 10,000 images, ten epochs, a progress bar.

    python examples/benchmarks/fashion_mnist.py [--data DIR] [--rows 10000] [--epochs 10]

On two cores this takes four to six minutes; without ``--data`` the images are fetched from OpenML.
"""

import argparse

from datasets import add_data_option, load_images

from sphereskl import HypersphericalPrototypeClassifier

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
add_data_option(parser)
parser.add_argument("--rows", type=int, default=10_000)
parser.add_argument("--epochs", type=int, default=10)
args = parser.parse_args()

X_train, y_train, X_test, y_test = load_images("fashion_mnist", args.data)
clf = HypersphericalPrototypeClassifier(
    input_shape=(28, 28), max_epochs=args.epochs, verbose=1, random_state=0
)
clf.fit(X_train[: args.rows], y_train[: args.rows])
print(f"Accuracy on {len(y_test):,} test images: {clf.score(X_test, y_test):.4f}")
