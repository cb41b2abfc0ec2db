"""One model, fitted by the tasks of a Spark cluster, by its TorchDistributor.

    pip install pyspark pandas pyarrow
    python examples/distributed/spark_fit.py
    spark-submit --master URL examples/distributed/spark_fit.py

Spark needs Java. The first program runs on this machine, which must have two cores, the second on
a cluster, whose workers need this package and torch as well.
"""

import torch
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession


def fit():
    import os

    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from torch import distributed

    from sphereskl import HypersphericalPrototypeClassifier

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group()  # gloo on CPUs, nccl on GPUs
    # Every task loads all rows: batches are split among them, data sets are not.
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    classifier = HypersphericalPrototypeClassifier(max_epochs=5, batch_size=128, random_state=0)
    accuracy = classifier.fit(X, y).score(X_test, y_test)
    rank, size = distributed.get_rank(), distributed.get_world_size()
    distributed.destroy_process_group()
    loss = classifier.loss_curve_[-1]
    # The driver gets what process 0 returns: a fitted classifier can be returned as well.
    return f"process {rank} of {size}: loss {loss:.6f}, accuracy {accuracy:.3f}"


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    distributor = TorchDistributor(
        num_processes=2, local_mode=False, use_gpu=torch.cuda.is_available()
    )
    print(distributor.run(fit))
    spark.stop()
