"""One model, fitted by the workers of a cluster of Ray, by its TorchTrainer.

    pip install "ray[train]"
    python examples/distributed/ray_train.py

The trainer starts the processes, joins them to a process group, gives each its GPU if there are
any, and starts them again if a machine is lost.
"""

import torch
from ray.train import ScalingConfig, get_context
from ray.train.torch import TorchTrainer


def fit(config):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from sphereskl import HypersphericalPrototypeClassifier

    # Every worker loads all rows: batches are split among them, data sets are not.
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    classifier = HypersphericalPrototypeClassifier(max_epochs=5, batch_size=128, random_state=0)
    accuracy = classifier.fit(X, y).score(X_test, y_test)
    rank, size = get_context().get_world_rank(), get_context().get_world_size()
    loss = classifier.loss_curve_[-1]
    print(f"process {rank} of {size}: loss {loss:.6f}, accuracy {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    workers = ScalingConfig(num_workers=2, use_gpu=torch.cuda.is_available())
    TorchTrainer(fit, scaling_config=workers).fit()
