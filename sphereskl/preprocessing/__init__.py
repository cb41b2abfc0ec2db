"""What users bring, turned into tensors: encoders of samples and encoders of targets."""

from ._columns import ColumnReader, is_frame, is_plain
from ._images import ImageEncoder, channels_last, infer_sample_shape
from ._labels import Labels
from ._labels_and_values import (
    LabelsAndValues,
    is_known,
    join_targets,
    split_targets,
    targets_form,
)
from ._ordered_labels import OrderedLabels
from ._tables import TableEncoder
from ._values import Values, from_cosines, resolve_bounds, to_cosines

__all__ = [
    "ColumnReader",
    "ImageEncoder",
    "Labels",
    "LabelsAndValues",
    "OrderedLabels",
    "TableEncoder",
    "Values",
    "channels_last",
    "from_cosines",
    "infer_sample_shape",
    "is_frame",
    "is_known",
    "is_plain",
    "join_targets",
    "resolve_bounds",
    "split_targets",
    "targets_form",
    "to_cosines",
]
