"""Loss and gradients of a multilayer perceptron on the sphere, explicit instead of by autograd."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Beyond this, exponentials overflow in double precision.
_LARGEST_LOG = 709.0


class WrittenOut:
    """Smoothed cross-entropy of scaled cosines after dense layers and ReLU, with its gradients.

    With small batches, autograd of `EmbeddingModel` and `cross_entropy` takes three times as long:
    for graph nodes, and for results that are not needed.

    Parameters
    ----------
    first : LayerPass or None
        Layer before the dense layers.
    layers : sequence of LayerPass
        Dense layers, with ReLU between them. Gradients are written in place.
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Fixed unit rows.
    log_scale : Tensor of shape ()
        Logarithm of the factor of the cosines; gets a gradient if it requires one.
    label_smoothing : float
        Label smoothing: share of the target probability spread evenly over all prototypes.

    Notes
    -----
    With h the output of the last layer, ``z = h / |h|``, c_k = z . p_k, s the scale, q the softmax
    of s c and y the smoothed target, the loss of a row is ``-w sum_k y_k log q_k``. Backwards:

    - cosines: ``dc = s w (q - y) / n``; logarithm of the scale: ``sum_k dc_k c_k``, over all rows;
    - directions: ``dz = sum_k dc_k p_k``, whose component along z only changes the norm,
      and ``z . dz = sum_k dc_k c_k`` is known from the scale: ``dh = (dz - (z . dz) z) / |h|``;
    - ReLU passes gradients where it is positive; layers as in `layer_pass`.

    Each member's gradient is as large as that of a single network, see `EmbeddingModel`.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import WrittenOut, layer_pass
    >>> layer, log_scale = torch.nn.Linear(3, 2), torch.zeros(())
    >>> loss = WrittenOut(None, [layer_pass(layer)], torch.eye(2), log_scale, 0.0)
    >>> cosines = loss.forward(torch.randn(4, 3))
    >>> value = loss.backward(torch.tensor([0, 0, 1, 1]))
    >>> layer.weight.grad.shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        first: Any,
        layers: Sequence[Any],
        prototypes: Tensor,
        log_scale: Tensor,
        label_smoothing: float,
    ):
        self._first, self._layers = first, layers
        self._prototypes, self._axes = prototypes, prototypes.t()
        self._log_scale, self._d_scale = log_scale.detach(), None
        if log_scale.requires_grad:
            if log_scale.grad is None:
                log_scale.grad = torch.empty_like(log_scale)
            self._d_scale = log_scale.grad
        n_prototypes = len(prototypes)
        spread = prototypes.new_full((n_prototypes, n_prototypes), label_smoothing / n_prototypes)
        self._expected = spread.fill_diagonal_(1 - label_smoothing + label_smoothing / n_prototypes)
        self._least_norm = torch.finfo(prototypes.dtype).tiny ** 0.5

    def forward(self, X: Tensor) -> Tensor:
        """Return cosines, as `EmbeddingModel` does in training.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        cosines : Tensor of shape (n_samples, n_prototypes) or (n_members, n_samples, n_prototypes)
            Cosines of every member.
        """
        x = X if self._first is None else self._first.forward(X)
        self._hidden = []
        for layer in self._layers[:-1]:
            x = layer.forward(x).relu_()
            self._hidden.append(x)
        h = self._layers[-1].forward(x)
        self._shape = h.shape
        h = h.flatten(0, -2)
        # A row without direction is left unchanged, see `normalize`.
        norm = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        self._norm = torch.threshold(norm, self._least_norm, 1.0)
        self._z = h.div_(self._norm)
        self._cosines = torch.mm(self._z, self._axes)
        return self._cosines.view(*self._shape[:-1], -1)

    def backward(self, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Write the gradients of the last forward pass, replacing those of the previous batch.

        Parameters
        ----------
        target : Tensor of shape (n_rows,)
            Index of each row's prototype, int64; members one after another.
        weight : Tensor of shape (n_rows,), default=None
            Sample weights; ``None`` means equal weights.

        Returns
        -------
        loss : Tensor of shape ()
            As `cross_entropy` returns it.
        """
        cosines, n_rows = self._cosines, len(target)
        # If training diverges, the loss is not finite, without an exception of Python.
        scale = math.exp(min(self._log_scale.item(), _LARGEST_LOG))
        log_q = torch.log_softmax(cosines * scale, dim=1)
        expected, q = self._expected.index_select(0, target), log_q.exp()
        if weight is not None:
            expected, q = expected.mul_(weight[:, None]), q.mul_(weight[:, None])
        loss = torch.dot(expected.flatten(), log_q.flatten()).div_(-n_rows)
        d_cosines = q.sub_(expected).mul_(scale / n_rows)
        along = (d_cosines * cosines).sum(dim=1, keepdim=True)
        if self._d_scale is not None:
            torch.sum(along, dim=(0, 1), out=self._d_scale)
        d_h = torch.mm(d_cosines, self._prototypes)
        d_h = d_h.addcmul_(self._z, along, value=-1).div_(self._norm)
        if len(self._shape) > 2:
            d_h = d_h.mul_(self._shape[0]).view(self._shape)
        self._backward(d_h)
        return loss

    def _backward(self, d_h: Tensor) -> None:
        """Write gradients of the layers, from the last to the first, given that of the output."""
        for layer, below in zip(self._layers[:0:-1], reversed(self._hidden), strict=True):
            # The output of ReLU is positive where it passes gradients, else zero.
            d_h = layer.backward(d_h, on=True).mul_(below.sign_())
        first = self._first if self._first is not None and self._first.learns else None
        d_x = self._layers[0].backward(d_h, on=first is not None)
        if first is not None:
            first.backward(d_x, on=False)
