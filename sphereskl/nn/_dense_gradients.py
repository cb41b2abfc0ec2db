"""Loss and gradients of a perceptron on the sphere, written out instead of derived by autograd."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DenseGradients:
    """Smoothed cross-entropy of scaled cosines on top of dense layers and ReLU, with its gradients.

    What autograd makes of `EmbeddingModel` and `cross_entropy` costs ten times the arithmetic
    where batches are small: nodes, and kernels whose result nobody asks for.

    Parameters
    ----------
    layers : sequence of nn.Linear
        With bias; ReLU stands between them. Their gradients are written in place.
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Fixed unit rows.
    log_scale : Tensor of shape ()
        Logarithm of what multiplies cosines; gets a gradient if it wants one.
    label_smoothing : float
        Share of the target mass that is spread evenly over all prototypes.

    Notes
    -----
    With h the output of the last layer, z = h / |h|, c_k = z . p_k, s the scale, q the softmax of
    s c and y the smoothed target, the loss of a row is ``-sum_k y_k log q_k``. Backwards:

    - cosines: ``dc = s (q - y) / n``; logarithm of the scale: ``sum_k dc_k c_k``, over all rows;
    - directions: ``dz = sum_k dc_k p_k``, of which what points along z only changes the length,
      and ``z . dz = sum_k dc_k c_k`` is known from the scale: ``dh = (dz - (z . dz) z) / |h|``;
    - a dense layer ``h = x W' + b``: ``dW = dh' x``, ``db = sum dh``, ``dx = dh W``; ReLU passes on
      where it is positive.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import DenseGradients
    >>> layer, log_scale = torch.nn.Linear(3, 2), torch.zeros(())
    >>> gradients = DenseGradients([layer], torch.eye(2), log_scale, 0.0)
    >>> loss = gradients(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]))
    >>> layer.weight.grad.shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        layers: Sequence[nn.Linear],
        prototypes: Tensor,
        log_scale: Tensor,
        label_smoothing: float,
    ):
        self._layers = [
            (layer.weight.detach(), layer.weight.detach().t(), layer.bias.detach())
            for layer in layers
        ]
        self._gradients = [(_gradient(layer.weight), _gradient(layer.bias)) for layer in layers]
        self._prototypes, self._axes = prototypes, prototypes.t()
        self._log_scale = log_scale.detach()
        self._scale_gradient = _gradient(log_scale) if log_scale.requires_grad else None
        n_prototypes = len(prototypes)
        spread = prototypes.new_full((n_prototypes, n_prototypes), label_smoothing / n_prototypes)
        self._expected = spread.fill_diagonal_(1 - label_smoothing + label_smoothing / n_prototypes)
        self._least_norm = torch.finfo(prototypes.dtype).tiny ** 0.5

    def __call__(self, X: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Write the gradients of a batch, in place of those of the last one.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Rows.
        target : Tensor of shape (n_samples,)
            Row number of each sample's prototype, int64.
        weight : Tensor of shape (n_samples,), default=None
            Row weights; ``None`` stands for ones.

        Returns
        -------
        loss : Tensor of shape ()
            As `cross_entropy` says it.
        """
        inputs = [X]
        for _, weights, bias in self._layers[:-1]:
            inputs.append(torch.addmm(bias, inputs[-1], weights).relu_())
        _, weights, bias = self._layers[-1]
        h = torch.addmm(bias, inputs[-1], weights)
        # A row without a direction is left as it is, see `normalize`.
        norm = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        norm = torch.threshold(norm, self._least_norm, 1.0)
        z = h.div_(norm)
        cosines = torch.mm(z, self._axes)
        scale = self._log_scale.exp()
        log_q = torch.log_softmax(cosines * scale, dim=1)
        expected, q = self._expected.index_select(0, target), log_q.exp()
        if weight is not None:
            expected, q = expected * weight[:, None], q * weight[:, None]
        loss = torch.dot(expected.flatten(), log_q.flatten()).div_(-len(X))
        d_cosines = q.sub_(expected).mul_(scale.div_(len(X)))
        along = (d_cosines * cosines).sum(dim=1, keepdim=True)
        if self._scale_gradient is not None:
            torch.sum(along, dim=(0, 1), out=self._scale_gradient)
        d_z = torch.mm(d_cosines, self._prototypes)
        self._backward(inputs, d_z.addcmul_(z, along, value=-1).div_(norm))
        return loss

    def _backward(self, inputs: list[Tensor], d_h: Tensor) -> None:
        """Write gradients of the layers, from the last to the first, given that of the output."""
        for i in reversed(range(len(inputs))):
            d_weights, d_bias = self._gradients[i]
            torch.mm(d_h.t(), inputs[i], out=d_weights)
            torch.sum(d_h, dim=0, out=d_bias)
            if i > 0:
                # What ReLU returned is positive where it passes gradients on, else zero.
                d_h = torch.mm(d_h, self._layers[i][0]).mul_(inputs[i].sign())


def _gradient(parameter: Tensor) -> Tensor:
    """Return where the gradient of a parameter is to be written."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
