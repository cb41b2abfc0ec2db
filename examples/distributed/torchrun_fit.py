"""One model, fitted by all processes that torchrun starts, on one machine or on many.

    torchrun --nproc-per-node 2 examples/distributed/torchrun_fit.py

With GPUs give every one a process; on several machines add --nnodes and --rdzv-endpoint, and
start the same command on each. Without torchrun it is the same program with one process.
"""

import hashlib
import os

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import distributed

from sphereskl import HypersphericalPrototypeClassifier


def main():
    # Every process loads all rows: batches are split among them, data sets are not.
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    classifier = HypersphericalPrototypeClassifier(max_epochs=5, batch_size=128, verbose=True)
    classifier.fit(X, y)

    weights = torch.cat([p.detach().flatten().cpu() for p in classifier.module_.parameters()])
    digest = hashlib.sha256(weights.numpy().tobytes()).hexdigest()[:12]
    rank, size = (distributed.get_rank(), distributed.get_world_size()) if SHARED else (0, 1)
    print(
        f"process {rank} of {size}: loss {classifier.loss_curve_[-1]:.6f}, "
        f"accuracy {classifier.score(X_test, y_test):.3f}, weights {digest}",
        flush=True,
    )


if __name__ == "__main__":
    SHARED = "RANK" in os.environ
    if SHARED:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group()  # gloo on CPUs, nccl on GPUs
    try:
        main()
    finally:
        if SHARED:
            distributed.destroy_process_group()
