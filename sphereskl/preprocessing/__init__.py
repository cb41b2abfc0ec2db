"""What users bring, turned into tensors: encoders of samples and encoders of targets."""

from ._columns import ColumnReader, is_frame, is_plain, split_columns
from ._images import ImageEncoder, infer_sample_shape, read_layout
from ._labels import Labels, plain_labels
from ._labels_and_values import (
    LabelsAndValues,
    is_known,
    join_targets,
    split_targets,
    targets_form,
)
from ._ordered_labels import OrderedLabels
from ._tables import TableEncoder, as_array
from ._values import Values, from_cosines, plain_values, resolve_bounds, to_cosines

__all__ = [
    "ColumnReader",
    "ImageEncoder",
    "Labels",
    "LabelsAndValues",
    "OrderedLabels",
    "TableEncoder",
    "Values",
    "as_array",
    "from_cosines",
    "infer_sample_shape",
    "is_frame",
    "is_known",
    "is_plain",
    "join_targets",
    "plain_labels",
    "plain_values",
    "read_layout",
    "resolve_bounds",
    "split_columns",
    "split_targets",
    "targets_form",
    "to_cosines",
]
