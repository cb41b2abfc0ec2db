"""Data augmentation of images, as a configuration that a grid search can clone and tune."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nn import Configuration
from ._image_changes import erased, mirrored, partners, pasted, shifted, warped

# Share of the image that is erased, and largest ratio of the sides of the rectangle, relative to
# those of the image (Zhong et al. 2020).
_ERASED_AREA, _MOST_RATIO = (0.02, 1 / 3), 10 / 3

# Type of number, range, and its description.
_RANGES: dict[str, tuple[type, float, float, str]] = {
    "shift": (Integral, 0, math.inf, "an integer of at least 0"),
    "crop": (Real, 0.01, 1, "a number in [0.01, 1], where 1 cuts nothing off"),
    "rotate": (Real, 0, 180, "a number of degrees in [0, 180]"),
    "erase": (Real, 0, 1, "a probability in [0, 1]"),
    "mixup": (Real, 0, 1000, "a number in [0, 1000], where 0 mixes nothing"),
    "cutmix": (Real, 0, 1000, "a number in [0, 1000], where 0 mixes nothing"),
}


@dataclass
class ImageAugmentation(Configuration):
    """Data augmentation: random changes of the training images, drawn anew in every epoch.

    Changes are made batch by batch on the device of the network, in the order below. Images used
    for validation, calibration or prediction are not changed.

    Parameters
    ----------
    mirror : {"random", "alternate"} or None, default="random"
        Horizontal flip: at random with probability 1/2, or for every image in every second
        epoch, so that two epochs show both sides. None if left and right matter, as in digits
        and letters.
    shift : int, default=2
        Maximum shift in pixels, at least 0, up or down and left or right; the border is filled by
        reflection.
    crop : float, default=1.0
        Random crop: minimum share of the area, in [0.01, 1], that is cut out and resized to the
        whole image, with the same aspect ratio. 1 does not crop.
    rotate : float, default=0.0
        Maximum rotation in degrees, in [0, 180], in either direction.
    erase : float, default=0.0
        Random erasing: probability that a rectangle of 2 % to 33 % of the area is filled with
        zeros, the mean of standardised channels [1]_.
    mixup : float, default=0.0
        Mixup: parameter of the beta distribution of the share with which two images, and their
        targets, are mixed [2]_, in [0, 1000]; 0 turns it off. 0.2 to 1 are common.
    cutmix : float, default=0.0
        CutMix: the same for the share of an image that is kept when a rectangle of another image
        is pasted into it [3]_. Together with `mixup`, each is used in half of the batches.
    mirror_predictions : bool, default=False
        Test-time augmentation: whether predictions use the mean of the network's outputs for an
        image and its mirror image, which takes twice the time. The network is built for it: it
        cannot be changed while the network is kept.

    Notes
    -----
    The changes of an image depend only on `random_state`, the epoch, the batch and the position in
    it: a fit that is resumed after an interruption, in other processes or threads, sees the same
    images. One mixing share is drawn for all images of a batch.

    The loss of a mixture of two classes is the mixture of their losses; numerical targets are
    mixed themselves. With several members, each of which leaves out some samples, images are
    mixed with those that the same member leaves out.

    References
    ----------
    .. [1] Zhong et al. (2020), "Random Erasing Data Augmentation", AAAI.
    .. [2] Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", ICLR.
    .. [3] Yun et al. (2019), "CutMix: Regularization Strategy to Train Strong Classifiers with
       Localizable Features", ICCV.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sphereskl import ConvNet, HypersphericalPrototypeClassifier, ImageAugmentation
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = HypersphericalPrototypeClassifier(
    ...     backbone=ConvNet(widths=(16, 32), n_blocks=1),
    ...     input_shape=(8, 8),
    ...     augmentation=ImageAugmentation(mirror=None, shift=1),
    ...     max_epochs=10,
    ...     random_state=0,
    ... )
    >>> clf.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.85
    True
    >>> clf.set_params(augmentation__shift=0).augmentation.shift
    0
    """

    mirror: str | None = "random"
    shift: int = 2
    crop: float = 1.0
    rotate: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    mirror_predictions: bool = False

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0

    def check(self, image_shape: tuple[int, ...]) -> None:
        """Refuse options that are out of range, or do not suit images of this shape.

        Parameters
        ----------
        image_shape : tuple of int
            ``(channels, height, width)``.

        Raises
        ------
        ValueError
            If an option does not.
        """
        if not (self.mirror is None or isinstance(self.mirror, str)) or (
            self.mirror not in (None, "random", "alternate")
        ):
            raise ValueError(
                f"augmentation has mirror={self.mirror!r}, but it must be 'random', 'alternate' "
                "or None."
            )
        for name, (kind, low, high, told) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
                raise ValueError(f"augmentation has {name}={value!r}, but it must be {told}.")
        if not isinstance(self.mirror_predictions, bool | np.bool_):
            raise ValueError(
                f"augmentation has mirror_predictions={self.mirror_predictions!r}, but it must be "
                "True or False."
            )
        height, width = image_shape[-2:]
        if self.shift >= min(height, width) and self.shift:
            raise ValueError(
                f"augmentation has shift={self.shift}, but images are of {height} x {width} "
                "pixels; choose fewer than either side has, since borders are reflected."
            )

    def change(self, X: Tensor, parity: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """Change every image independently.

        Parameters
        ----------
        X : Tensor of shape (n_samples, channels, height, width)
            Images, which are not modified.
        parity : Tensor of shape (n_samples,)
            A bool for each image, the same in all epochs, for alternating changes.
        epoch : int
            Number of the epoch, from 0 on.
        generator : torch.Generator
            On the device of the images.

        Returns
        -------
        X : Tensor of shape (n_samples, channels, height, width)
            Changed images.
        """
        draw: Callable[[], Tensor] = partial(
            torch.rand, len(X), generator=generator, device=X.device, dtype=X.dtype
        )
        if self.mirror is not None:
            chosen = draw() < 0.5 if self.mirror == "random" else parity ^ bool(epoch % 2)
            X = mirrored(X, chosen)
        if self.shift:
            size, most = (2, len(X)), int(self.shift)
            X = shifted(
                X, *torch.randint(-most, most + 1, size, generator=generator, device=X.device)
            )
        if self.rotate or self.crop < 1:
            angle = math.radians(self.rotate) * (2 * draw() - 1)
            side = (self.crop + (1 - self.crop) * draw()).sqrt()
            X = warped(X, angle, side, *((1 - side) * (2 * draw() - 1) for _ in range(2)))
        if self.erase:
            low, high = _ERASED_AREA
            area = (low + (high - low) * draw()) * (draw() < self.erase)
            X = erased(X, area, math.log(_MOST_RATIO) * (2 * draw() - 1), draw(), draw())
        return X

    def mix(
        self, X: Tensor, group: Tensor | None, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, float]:
        """Mix images of a batch.

        Parameters
        ----------
        X : Tensor of shape (n_samples, channels, height, width)
            Images, which stay as they are.
        group : Tensor of shape (n_samples,) or None
            Integers; images are mixed within their group.
        rng : numpy.random.Generator
            Source of the random numbers shared by all images.
        generator : torch.Generator
            Where the images are.

        Returns
        -------
        X : Tensor of shape (n_samples, channels, height, width)
            Mixed images.
        other : Tensor of shape (n_samples,)
            Index of the image that each is mixed with.
        share : float
            Share of the image itself.
        """
        options: dict[str, Any] = {"generator": generator, "device": X.device}
        draw = torch.rand(len(X), **options)
        other = partners(len(X), group, draw)
        kinds = [kind for kind in ("mixup", "cutmix") if getattr(self, kind) > 0]
        kind = kinds[rng.integers(len(kinds))]
        share = float(rng.beta(getattr(self, kind), getattr(self, kind)))
        if kind == "mixup":
            return torch.lerp(X.index_select(0, other), X, share), other, share
        X, share = pasted(X, other, 1 - share, *rng.random(2).tolist())
        return X, other, share
