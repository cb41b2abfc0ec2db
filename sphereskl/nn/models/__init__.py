"""Models: a backbone, the sphere, and the prototypes on it."""

from ._angular_model import AngularModel
from ._embedding_model import EmbeddingModel
from ._joint_model import JointModel
from ._mirrored_backbone import MirroredBackbone
from ._product_model import ProductModel
from ._written_out import WrittenOut

__all__ = [
    "AngularModel",
    "EmbeddingModel",
    "JointModel",
    "MirroredBackbone",
    "ProductModel",
    "WrittenOut",
]
