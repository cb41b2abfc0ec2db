"""A search whose fits are done by the workers of a cluster of dask, the same to the bit.

    pip install "dask[distributed]"
    python examples/distributed/dask_search.py                  # two workers on this machine
    python examples/distributed/dask_search.py tcp://host:8786  # an existing cluster

A worker that dies is not missed: what it left is done by the others.
"""

import sys

from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sphereskl import HypersphericalPrototypeClassifier


def search(**options):
    X, y = load_digits(return_X_y=True)
    classifier = HypersphericalPrototypeClassifier(max_epochs=2, random_state=0, device="cpu")
    found = GridSearchCV(classifier, {"lr": [0.002, 0.008]}, cv=2, **options).fit(X[:400], y[:400])
    return found.cv_results_["mean_test_score"].tolist()


def main(client):
    print(f"{len(client.nthreads())} workers with {sum(client.nthreads().values())} threads")
    with parallel_config(backend="dask"):
        there = search(n_jobs=-1)
    here = search()
    print(f"accuracies on the cluster: {there}")
    print(f"accuracies in this process: {here}, {'the same' if here == there else 'different'}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with Client(sys.argv[1]) as client:
            main(client)
    else:
        # One thread each: a fit computes on one.
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            main(client)
