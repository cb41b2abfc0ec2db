"""What users bring, turned into tensors."""

from ._images import ImageEncoder, channels_last, infer_sample_shape
from ._paired_targets import is_known, join_targets, split_targets, targets_form
from ._poles import from_cosines, resolve_bounds, to_cosines
from ._tables import TableEncoder

__all__ = [
    "ImageEncoder",
    "TableEncoder",
    "channels_last",
    "from_cosines",
    "infer_sample_shape",
    "is_known",
    "join_targets",
    "resolve_bounds",
    "split_targets",
    "targets_form",
    "to_cosines",
]
