"""A backbone that averages over mirror images (test-time augmentation)."""

from torch import Tensor, nn


class MirroredBackbone(nn.Module):
    """Backbone that averages, in evaluation mode, the outputs of an image and its mirror image.

    In training mode it is the given backbone.

    Parameters
    ----------
    backbone : nn.Module
        Maps images (n_samples, channels, height, width) to outputs.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import MirroredBackbone
    >>> backbone = MirroredBackbone(torch.nn.Flatten()).eval()
    >>> backbone(torch.tensor([[[[1.0, 2.0]]]]))
    tensor([[1.5000, 1.5000]])
    """

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, X: Tensor) -> Tensor:
        """Return outputs of the backbone, (..., n_samples, n_outputs)."""
        h = self.backbone(X)
        return h if self.training else (h + self.backbone(X.flip(-1))) / 2
