"""What does meaning cost in separation, and how far does it get?

    python examples/benchmarks/semantic.py [--n-classes 100] [--dims 50 25 10] [--many]

Places classes by the similarities of synthetic class vectors under a cap on the largest
cosine, and compares with the published recipe. Columns `s` are CPU seconds of one thread.
Prints the tables of docs/benchmarks/semantic.md.
"""

import argparse
import platform
import time

import scipy
import torch
from torch import Tensor

from sphereskl.geometry import (
    max_cosine,
    place_prototypes,
    place_ranked,
    place_semantic,
    rank_correlation,
    sample_uniform,
    similarity_from_vectors,
    triplet_accuracy,
)

ROOMS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
# (d, weight of the rank loss) of the published recipe.
PUBLISHED = ((50, 1.0), (50, 10.0), (50, 100.0), (10, 10.0))
# Gradient descent on all triplets takes a second for a dozen steps at 100 classes.
PUBLISHED_STEPS = 300


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, scipy {scipy.__version__}, ", end="")
    print(f"Python {platform.python_version()}, one thread, seed {options.seed}\n")
    kinds = {"groups": group_vectors, "heavy tails": heavy_tailed_vectors}
    similarities = {
        name: similarity_from_vectors(draw(options.n_classes, options.seed))
        for name, draw in kinds.items()
    }
    print_rooms(similarities, options.dims, options.seed)
    print_published(similarities["groups"], options.dims, options.seed)
    if options.many:
        similarity = similarity_from_vectors(heavy_tailed_vectors(1000, options.seed))
        print_many(similarity, 64, options.seed)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-classes", type=int, default=100)
    parser.add_argument("--dims", type=int, nargs="*", default=[50, 25, 10])
    parser.add_argument("--many", action="store_true", help="add 1,000 classes in 64 dimensions")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def group_vectors(n_classes: int, seed: int) -> Tensor:
    """Gaussian groups of ten in 50 dimensions; own part 0.8 of the group's part."""
    generator = torch.Generator().manual_seed(seed)
    groups = sample_uniform(-(-n_classes // 10), 50, generator=generator)
    members = sample_uniform(n_classes, 50, generator=generator)
    return groups.repeat_interleave(10, dim=0)[:n_classes] + 0.8 * members


def heavy_tailed_vectors(n_classes: int, seed: int) -> Tensor:
    """Groups of five in 300 dimensions, spread like word vectors.

    Coordinates decay like rank^(-1/2), follow Student's t with three degrees of freedom,
    and share an offset as long as a typical vector's coordinate.
    """
    generator = torch.Generator().manual_seed(seed)
    decay = torch.arange(1, 301, dtype=torch.float64) ** -0.5
    groups = student(-(-n_classes // 5), 300, generator) * decay
    members = student(n_classes, 300, generator) * decay
    offset = torch.randn(300, generator=generator, dtype=torch.float64) * decay
    return groups.repeat_interleave(5, dim=0)[:n_classes] + 0.8 * members + offset


def student(n_rows: int, n_columns: int, generator: torch.Generator) -> Tensor:
    """Student's t with three degrees of freedom: a normal over the root of a mean square."""
    normal = torch.randn(4, n_rows, n_columns, generator=generator, dtype=torch.float64)
    return normal[0] / normal[1:].square().mean(dim=0).sqrt()


def print_rooms(similarities: dict[str, Tensor], dims: list[int], seed: int) -> None:
    quality = " | ".join(f"{name}: triplets | ranks" for name in similarities)
    print(f"| d | m* | room | {quality} | s | cap kept |")
    print("|---" * (5 + 2 * len(similarities)) + "|")
    for dim in dims:
        n_classes = len(next(iter(similarities.values())))
        separated = place_prototypes(n_classes, dim, effort="fast", random_state=seed)
        reachable = max_cosine(separated)
        for room in ROOMS:
            cap, cells, kept = reachable + room, [], True
            begin = time.process_time()
            for similarity in similarities.values():
                points = place_semantic(similarity, dim, max_cosine=cap, random_state=seed)
                cells += quality_of(points, similarity)
                kept &= max_cosine(points) <= cap + 1e-12
            seconds = (time.process_time() - begin) / len(similarities)
            cells += [f"{seconds:.1f}", "yes" if kept else "no"]
            print(f"| {dim} | {reachable:.4f} | {room} | " + " | ".join(cells) + " |", flush=True)


def print_published(similarity: Tensor, dims: list[int], seed: int) -> None:
    print("\n| d | weight | max cosine | published: triplets | ranks | s ", end="")
    print("| semantic: triplets | ranks | s |")
    print("|---" * 9 + "|")
    for dim, weight in PUBLISHED:
        if dim not in dims:
            continue
        begin = time.process_time()
        ranked = place_ranked(
            similarity, dim, rank_weight=weight, n_steps=PUBLISHED_STEPS, random_state=seed
        )
        middle = time.process_time()
        cap = max_cosine(ranked)
        semantic = place_semantic(similarity, dim, max_cosine=cap, random_state=seed)
        end = time.process_time()
        cells = [f"{dim}", f"{weight:g}", f"{cap:.3f}", *quality_of(ranked, similarity)]
        cells += [f"{middle - begin:.1f}", *quality_of(semantic, similarity)]
        print("| " + " | ".join([*cells, f"{end - middle:.1f}"]) + " |", flush=True)


def print_many(similarity: Tensor, dim: int, seed: int) -> None:
    begin = time.process_time()
    separated = place_prototypes(len(similarity), dim, effort="fast", random_state=seed)
    reachable = max_cosine(separated)
    search = time.process_time() - begin
    print(f"\n{len(similarity)} heavy-tailed classes in {dim} dimensions: ", end="")
    print(f"m* = {reachable:.4f}, searched in {search:.1f} s\n")
    print("| room | triplets | ranks | s |\n|---|---|---|---|")
    for room in (0.1, 0.2):
        begin = time.process_time()
        points = place_semantic(similarity, dim, max_cosine=reachable + room, random_state=seed)
        seconds = time.process_time() - begin
        print(f"| {room} | " + " | ".join(quality_of(points, similarity)), end="")
        print(f" | {seconds:.1f} |", flush=True)


def quality_of(points: Tensor, similarity: Tensor) -> list[str]:
    accuracy = triplet_accuracy(points, similarity)
    return [f"{accuracy:.3f}", f"{rank_correlation(points, similarity):.2f}"]


if __name__ == "__main__":
    main()
