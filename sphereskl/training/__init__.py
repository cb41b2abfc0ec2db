"""Training of embedding models through skorch: the only place that imports it."""

from ..geometry import one_thread
from ._carried import available_device, on_cpu
from ._criterion import AngularCriterion, Criterion
from ._data import ShuffledBatches, TensorData
from ._devices import has_room, resolve_device
from ._fit import fit_net
from ._hold_out import KeyRanges, assign_folds, hold_out, row_keys, sampled
from ._inference import infer
from ._interrupt import called_from_prompt, settle_interruption
from ._lazy_rows import LazyRows
from ._listener import EpochListener, snapshot
from ._net import EmbeddingNet, StopTraining
from ._neutral import neutral_torch
from ._optimizers import OPTIMIZERS, make_optimizer
from ._precision import PRECISIONS, resolve_precision
from ._process_group import ProcessGroup, joined
from ._progress import ProgressBar
from ._readable import RowNumbers, expected_scale
from ._reassignment import ReassignPrototypes
from ._resident_rows import EncodedRows, ResidentRows
from ._resume import Resume
from ._rollback import unchanged_on_error
from ._rows import Rows
from ._schedules import SCHEDULES, make_schedule
from ._sealed_files import SealedFiles, replace_file
from ._seed import seeded

__all__ = [
    "OPTIMIZERS",
    "PRECISIONS",
    "SCHEDULES",
    "AngularCriterion",
    "Criterion",
    "EmbeddingNet",
    "EncodedRows",
    "EpochListener",
    "KeyRanges",
    "LazyRows",
    "ProcessGroup",
    "ProgressBar",
    "ReassignPrototypes",
    "ResidentRows",
    "Resume",
    "RowNumbers",
    "Rows",
    "SealedFiles",
    "ShuffledBatches",
    "StopTraining",
    "TensorData",
    "assign_folds",
    "available_device",
    "called_from_prompt",
    "expected_scale",
    "fit_net",
    "has_room",
    "hold_out",
    "infer",
    "joined",
    "make_optimizer",
    "make_schedule",
    "neutral_torch",
    "on_cpu",
    "one_thread",
    "replace_file",
    "resolve_device",
    "resolve_precision",
    "row_keys",
    "sampled",
    "seeded",
    "settle_interruption",
    "snapshot",
    "unchanged_on_error",
]
