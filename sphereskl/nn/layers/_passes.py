"""Dense layers and embeddings with explicit gradients, for training without autograd."""

from typing import Protocol

import torch
from torch import Tensor, nn

from ._category_embedding import CategoryEmbedding
from ._member_linear import MemberLinear
from ._piecewise_embedding import PiecewiseLinearEmbedding


class LayerPass(Protocol):
    """A layer with its forward and backward pass."""

    learns: bool  # whether there are parameters to train

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, and store what the backward pass needs."""
        ...

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        """Write gradients of the parameters, given that of the output; return that of the input.

        Gradients replace those of the previous call. `on` tells whether that of the input is
        needed.
        """
        ...


def layer_pass(layer: nn.Module) -> LayerPass | None:
    """Return the forward and backward pass of a layer.

    Parameters
    ----------
    layer : nn.Module
        Its parameters are used in place.

    Returns
    -------
    layer_pass : LayerPass or None
        ``None`` for a layer without explicit gradients, or one that is not trained.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import layer_pass
    >>> layer = torch.nn.Linear(3, 2)
    >>> there_and_back = layer_pass(layer)
    >>> y = there_and_back.forward(torch.ones(4, 3))
    >>> there_and_back.backward(torch.ones(4, 2), on=False)
    >>> layer.bias.grad
    tensor([4., 4.])
    """
    make = _PASSES.get(type(layer))
    if make is None or (isinstance(layer, nn.Linear) and layer.bias is None):
        return None
    wanted = all(p.requires_grad and not p._backward_hooks for p in layer.parameters())
    return make(layer) if wanted else None


class _LinearPass:
    """``y = x W' + b``: ``dW = dy' x``, ``db = sum dy``, ``dx = dy W``."""

    learns = True

    def __init__(self, layer: nn.Linear):
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._transposed = self._weight.t()
        self._d_weight, self._d_bias = place_of(layer.weight), place_of(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        self._x = x
        return torch.addmm(self._bias, x, self._transposed)

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        torch.mm(d_y.t(), self._x, out=self._d_weight)
        torch.sum(d_y, dim=0, out=self._d_bias)
        return torch.mm(d_y, self._weight) if on else None


class _MemberLinearPass:
    """``y_i = x_i W_i + b_i``: ``dW_i = x_i' dy_i``, ``db_i = sum dy_i``, ``dx_i = dy_i W_i'``."""

    learns = True

    def __init__(self, layer: MemberLinear):
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._d_weight, self._d_bias = place_of(layer.weight), place_of(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        # Rows that all members share have the same expression.
        self._x = x.expand(len(self._weight), -1, -1)
        return torch.baddbmm(self._bias, self._x, self._weight)

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        torch.bmm(self._x.mT, d_y, out=self._d_weight)
        torch.sum(d_y, dim=1, keepdim=True, out=self._d_bias)
        return torch.bmm(d_y, self._weight.mT) if on else None


class _CurvesPass:
    """Curves ``e_j = x_j w_j + b_j + p_j V_j``, see `PiecewiseLinearEmbedding`.

    ``dV_j = p_j' de_j``, ``dw_j = x_j' de_j``, ``db_j = sum de_j``; it is the first layer, and the
    gradient of x is not computed.
    """

    learns = True

    def __init__(self, layer: PiecewiseLinearEmbedding):
        self._members, self._width = layer.n_members, layer.width
        self._low, extent = layer.edges[:, None, :-1], layer.edges.diff(dim=1)[:, None]
        self._steepness = torch.where(extent > 0, 1 / extent, 0.0)
        parameters = layer.bias, layer.slopes, layer.pieces
        self._bias, self._slopes, self._pieces = (p.detach() for p in parameters)
        self._d_bias, self._d_slopes, self._d_pieces = map(place_of, parameters)

    def forward(self, x: Tensor) -> Tensor:
        column = x.t()[:, :, None]
        place = (column - self._low).mul_(self._steepness).clamp_(0, 1)
        self._column, self._place = column, place
        straight = torch.baddbmm(self._bias, column, self._slopes)
        curves = straight.baddbmm_(place, self._pieces)
        n_columns, n_samples, _ = curves.shape
        by_member = curves.view(n_columns, n_samples, self._members, self._width)
        y = by_member.permute(2, 1, 0, 3).flatten(2)
        return y if self._members > 1 else y[0]

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        shape = self._members, -1, len(self._column), self._width
        d_curves = d_y.view(shape).permute(2, 1, 0, 3).flatten(2)
        torch.bmm(self._place.mT, d_curves, out=self._d_pieces)
        torch.bmm(self._column.mT, d_curves, out=self._d_slopes)
        torch.sum(d_curves, dim=1, keepdim=True, out=self._d_bias)
        return None


class _CategoriesPass:
    """Columns ``y_l = [level is l]`` and vectors ``y = v_level``, see `CategoryEmbedding`.

    ``dv_l`` is the sum of ``dy`` over the samples of level l, 0 for level 0, which is unseen.
    """

    def __init__(self, layer: CategoryEmbedding):
        self._layer, self.learns = layer, layer.width > layer.n_one_hot
        self._d_vectors = place_of(layer.vectors.weight) if self.learns else None

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        self._index, y = self._layer.embed(x)
        return y if self.learns and self._layer.n_members > 1 else y[0]

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        if self._d_vectors is None:
            return None
        n_samples, n_learned = self._index.shape
        d_vectors = d_y[..., self._layer.n_one_hot :]
        d_vectors = d_vectors.reshape(self._layer.n_members, n_samples, n_learned, -1)
        d_vectors = d_vectors.permute(1, 2, 0, 3).flatten(0, 1).flatten(1)
        self._d_vectors.zero_().index_add_(0, self._index.flatten(), d_vectors)
        self._d_vectors[0] = 0.0
        return None


def place_of(parameter: Tensor) -> Tensor:
    """Return the tensor to which the gradient of a parameter is written."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


_PASSES = {
    nn.Linear: _LinearPass,
    MemberLinear: _MemberLinearPass,
    PiecewiseLinearEmbedding: _CurvesPass,
    CategoryEmbedding: _CategoriesPass,
}
