"""Preprocessing of users' data to tensors: encoders of samples and of targets."""

from ._arrays import as_array
from ._augmentation import ImageAugmentation
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
from ._stored_rows import DatasetRows, StoredRows, row_blocks, row_numbers, take_rows
from ._tables import TableEncoder
from ._traced import traced
from ._values import Values, from_cosines, plain_values, resolve_bounds, to_cosines

__all__ = [
    "ColumnReader",
    "DatasetRows",
    "ImageAugmentation",
    "ImageEncoder",
    "Labels",
    "LabelsAndValues",
    "OrderedLabels",
    "StoredRows",
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
    "row_blocks",
    "row_numbers",
    "split_columns",
    "split_targets",
    "take_rows",
    "targets_form",
    "to_cosines",
    "traced",
]
