"""What users bring, turned into tensors."""

from ._images import ImageEncoder, channels_last, infer_sample_shape
from ._tables import TableEncoder

__all__ = ["ImageEncoder", "TableEncoder", "channels_last", "infer_sample_shape"]
