"""Training of embedding models through skorch: the only place that imports it."""

from ._criterion import AngularCriterion, Criterion
from ._data import ShuffledBatches, TensorData
from ._hold_out import hold_out, row_keys
from ._inference import infer
from ._interrupt import called_from_prompt
from ._net import EmbeddingNet, StopTraining
from ._optimizers import OPTIMIZERS, make_optimizer
from ._progress import ProgressBar
from ._reassignment import ReassignPrototypes
from ._schedules import SCHEDULES, make_schedule
from ._seed import seeded
from ._threads import one_thread

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AngularCriterion",
    "Criterion",
    "EmbeddingNet",
    "ProgressBar",
    "ReassignPrototypes",
    "ShuffledBatches",
    "StopTraining",
    "TensorData",
    "called_from_prompt",
    "hold_out",
    "infer",
    "make_optimizer",
    "make_schedule",
    "one_thread",
    "row_keys",
    "seeded",
]
