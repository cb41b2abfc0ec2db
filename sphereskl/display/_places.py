"""Positions of embeddings in a drawing: unchanged, projected, or on a map."""

from typing import NamedTuple

import numpy as np
from sklearn.manifold import TSNE

from ._sphere import principal_directions


class Places(NamedTuple):
    """Positions of samples and of prototypes, and a note for the title."""

    samples: np.ndarray
    prototypes: np.ndarray
    note: str


def place_on_circle(samples, prototypes):
    """Return rows of two dimensions unchanged."""
    return Places(samples, prototypes, "on the circle")


def place_on_ball(samples, prototypes):
    """Return rows of three dimensions unchanged, others on three principal directions."""
    both = np.concatenate([samples, prototypes])
    if both.shape[1] == 3:
        return Places(samples, prototypes, "on the sphere")
    places = both @ principal_directions(both).T
    share = np.sum(places**2) / len(places)
    note = f"on 3 principal directions\nof {both.shape[1]} ({share:.0%} of length)"
    return Places(places[: len(samples)], places[len(samples) :], note)


def place_on_map(samples, prototypes, random_state):
    """Return positions on a map of the cosines, of samples and prototypes together."""
    both = np.concatenate([samples, prototypes])
    if len(both) < 2:
        raise ValueError(
            "embeddings must have at least 2 rows for a map, got 1 and no prototypes; draw more."
        )
    tsne = TSNE(
        metric="cosine",
        perplexity=min(30.0, (len(both) - 1) / 3),
        init="random",
        random_state=random_state,
    )
    places = tsne.fit_transform(both).astype(np.float64)
    note = f"of {both.shape[1]} dimensions\non a map of their cosines (t-SNE)"
    return Places(places[: len(samples)], places[len(samples) :], note)
