"""A backbone that looks at images twice."""

from torch import Tensor, nn


class MirroredBackbone(nn.Module):
    """Backbone whose output in evaluation mode is the mean of an image's and its mirror image's.

    While training it is the backbone that it is given.

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
