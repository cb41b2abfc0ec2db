"""Search among point sets with a symmetry: a fraction of the variables and pairs.

The best known codes are often symmetric, and a symmetric start stays symmetric under a
gradient method. So the energy of a whole set is computed from one representative of
each orbit.
"""

import math

import torch
from torch import Tensor

from .._lbfgs import Objective
from ._groups import Layout
from ._potentials import underflow
from ._representations import Representation


class SymmetricSets:
    """Point sets that a group permutes in the same way, one representation each.

    Parameters
    ----------
    layout : Layout
        The group and its orbits.
    representation : Representation
        The matrices of the group, for each set.
    """

    def __init__(self, layout: Layout, representation: Representation) -> None:
        self.layout, self.representation = layout, representation
        self._turns = [representation.at(kind.cosets) for kind in layout.orbits]
        self._projections = [representation.mean(kind.stabiliser) for kind in layout.orbits[1:]]
        self._counts = [kind.count for kind in layout.orbits]
        self._lengths = [len(kind.cosets) for kind in layout.orbits]

    def pick(self, index: Tensor) -> "SymmetricSets":
        """Select some of the sets, with repetition."""
        return SymmetricSets(self.layout, self.representation.pick(index))

    def to(self, like: Tensor) -> "SymmetricSets":
        """Move to the device and type of a tensor."""
        return SymmetricSets(self.layout, self.representation.to(like))

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw a representative of each orbit, kind by kind; unit rows."""
        n_sets, _, dim = self.representation.diagonal.shape
        shape = (n_sets, sum(self._counts), dim)
        rows = self._project(torch.randn(shape, generator=generator, dtype=torch.float64))
        return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)

    def expand(self, rows: Tensor) -> Tensor:
        """All points (n_sets, n_points, embedding_dim) from the representatives."""
        parts = rows.split(self._counts, dim=1)
        images = [apply(turns, part) for turns, part in zip(self._turns, parts, strict=True)]
        return torch.cat([image.flatten(1, 2) for image in images], dim=1)

    def soft_max_cosine(self, sharpness: Tensor) -> Objective:
        """Smoothed maximal cosine of the expanded sets, as a function of the representatives.

        The value is that of `soft_max_cosine` for the expanded points. A representative
        stands for a whole orbit, hence the multiplicity of its pairs.
        """
        counts, lengths = self._counts, self._lengths
        multiplicity = torch.tensor(lengths).repeat_interleave(torch.tensor(counts))[:, None]
        multiplicity = multiplicity.to(sharpness)
        lowest = underflow(sharpness.dtype)

        def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
            norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
            unit = rows / norm
            points = self.expand(unit)
            exponent = (unit * sharpness) @ points.mT
            row = column = 0
            for count, length in zip(counts, lengths, strict=True):
                itself = exponent[:, row : row + count, column : column + count]
                itself.diagonal(dim1=1, dim2=2).fill_(-math.inf)
                row, column = row + count, column + count * length
            top = exponent.amax(dim=(1, 2), keepdim=True)
            weights = exponent.sub_(top).clamp_min_(lowest).exp_()
            total = (weights.sum(dim=2, keepdim=True) * multiplicity).sum(dim=1, keepdim=True)
            value = (top + (total / 2).log()) / sharpness
            pull = (weights @ points) * (multiplicity * (2 / total))
            pull = pull - (pull * unit).sum(dim=-1, keepdim=True) * unit
            # In exact arithmetic nothing leaves the subspace of a short orbit.
            return value[:, 0, 0], self._project(pull) / norm

        return objective

    def _project(self, rows: Tensor) -> Tensor:
        if not self._projections:
            return rows
        free, *parts = rows.split(self._counts, dim=1)
        short = [apply(p, part)[:, 0] for p, part in zip(self._projections, parts, strict=True)]
        return torch.cat([free, *short], dim=1)


def apply(elements: Representation, rows: Tensor) -> Tensor:
    """Images of rows, (n_sets, n_elements, n_rows, embedding_dim)."""
    dim = rows.shape[-1]
    other = torch.arange(dim, device=rows.device) ^ 1
    # The last of an odd number of coordinates is a line: `across` does not act on it.
    other = other.clamp_max(dim - 1)
    images = rows[:, None] * elements.diagonal[:, :, None]
    return images.addcmul_(rows[..., other][:, None], elements.across[:, :, None])
