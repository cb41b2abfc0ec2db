"""Image augmentations for given random numbers: pure functions of tensors, on any device.

Images are (n_samples, channels, height, width); there is one random number for every image.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def mirrored(X: Tensor, chosen: Tensor) -> Tensor:
    """Flip the chosen images horizontally.

    Parameters
    ----------
    X : Tensor of shape (n_samples, channels, height, width)
        Images.
    chosen : Tensor of shape (n_samples,)
        Chosen images, bool.

    Returns
    -------
    X : Tensor of shape (n_samples, channels, height, width)
        A new tensor.
    """
    return torch.where(chosen[:, None, None, None], X.flip(-1), X)


def shifted(X: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift images by whole pixels; the border is filled by reflection.

    Parameters
    ----------
    X : Tensor of shape (n_samples, channels, height, width)
        Images.
    down, right : Tensor of shape (n_samples,)
        Number of pixels, int64, less than the image has; negative ones go up and left.

    Returns
    -------
    X : Tensor of shape (n_samples, channels, height, width)
        Pixels are moved unchanged, without interpolation.
    """
    height, width = X.shape[-2:]
    rows = _reflected(torch.arange(height, device=X.device) - down[:, None], height)
    columns = _reflected(torch.arange(width, device=X.device) - right[:, None], width)
    place = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None]
    return X.flatten(2).gather(2, place.expand(-1, X.shape[1], -1)).view_as(X)


def _reflected(place: Tensor, size: int) -> Tensor:
    """Reflect indices at the first and the last one, which are not repeated."""
    return size - 1 - (size - 1 - place.abs()).abs()


def warped(X: Tensor, angle: Tensor, side: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Crop and rotate: cut a rotated window out of every image and resize it, by interpolation.

    Parameters
    ----------
    X : Tensor of shape (n_samples, channels, height, width)
        Images.
    angle : Tensor of shape (n_samples,)
        Rotation of the image, counter-clockwise as in `torch.rot90`, in radians.
    side : Tensor of shape (n_samples,)
        Sides of the window as a share of those of the image.
    down, right : Tensor of shape (n_samples,)
        Centre of the window: 0 in the middle of the image, -1 and 1 at the borders.

    Returns
    -------
    X : Tensor of shape (n_samples, channels, height, width)
        Bilinear interpolation; beyond the border the image is reflected.
    """
    height, width = X.shape[-2:]
    cosine, sine = angle.cos() * side, angle.sin() * side
    # Maps a pixel of the result to its source, both in [-1, 1]: angles are measured in pixels,
    # whose distances are the same in both directions, whatever the sides of the image.
    theta = torch.stack(
        [
            torch.stack([cosine, -sine * (height / width), right], dim=1),
            torch.stack([sine * (width / height), cosine, down], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, list(X.shape), align_corners=False)
    return functional.grid_sample(X, grid, padding_mode="reflection", align_corners=False)


def erased(X: Tensor, area: Tensor, log_ratio: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Fill a rectangle of every image with zeros.

    Parameters
    ----------
    X : Tensor of shape (n_samples, channels, height, width)
        Images.
    area : Tensor of shape (n_samples,)
        Share of the image; 0 leaves it unchanged.
    log_ratio : Tensor of shape (n_samples,)
        Logarithm of the rectangle's height over its width, relative to that of the image.
    down, right : Tensor of shape (n_samples,)
        Position of its corner, in [0, 1) of the possible range.

    Returns
    -------
    X : Tensor of shape (n_samples, channels, height, width)
        Another tensor.
    """
    inside = []
    for size, half, start in ((X.shape[-2], 0.5, down), (X.shape[-1], -0.5, right)):
        extent = (size * area.sqrt() * (half * log_ratio).exp()).round().clamp(max=size)
        first = (start * (size - extent + 1)).floor()
        place = torch.arange(size, device=X.device)
        inside.append((place >= first[:, None]) & (place < (first + extent)[:, None]))
    rows, columns = inside
    return X.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def pasted(
    X: Tensor, other: Tensor, area: float, down: float, right: float
) -> tuple[Tensor, float]:
    """Paste a rectangle of one image into another.

    Parameters
    ----------
    X : Tensor of shape (n_samples, channels, height, width)
        Images.
    other : Tensor of shape (n_samples,)
        Index of the image that is pasted into each.
    area : float
        Share of the image, in [0, 1], before the rectangle is clipped at the border.
    down, right : float
        Position of its centre, in [0, 1].

    Returns
    -------
    X : Tensor of shape (n_samples, channels, height, width)
        Another tensor.
    share : float
        Share of the image that is kept.
    """
    slices = []
    for size, centre in ((X.shape[-2], down), (X.shape[-1], right)):
        half = size * math.sqrt(area) / 2
        first, last = round(centre * size - half), round(centre * size + half)
        slices.append(slice(max(first, 0), min(last, size)))
    rows, columns = slices
    result = X.clone()
    result[..., rows, columns] = X[..., rows, columns].index_select(0, other)
    covered = (rows.stop - rows.start) * (columns.stop - columns.start)
    return result, 1 - covered / (X.shape[-2] * X.shape[-1])


def partners(n_rows: int, group: Tensor | None, draw: Tensor) -> Tensor:
    """Pair every row with another one of its group, by a random permutation.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    group : Tensor of shape (n_rows,) or None
        Integers; ``None`` means one group.
    draw : Tensor of shape (n_rows,)
        Random numbers in [0, 1).

    Returns
    -------
    other : Tensor of shape (n_rows,)
        Row indices, a permutation; the only row of a group is paired with itself.
    """
    group = torch.zeros_like(draw) if group is None else group.to(draw.dtype)
    # Away from 1, where a sum would be rounded to the next group.
    order = torch.argsort(group + draw * 0.999, stable=True)
    sorted_group = group[order]
    following = torch.arange(1, n_rows + 1, device=draw.device)
    # The last of a group is paired with its first.
    is_last = torch.ones_like(following, dtype=torch.bool)
    is_last[:-1] = sorted_group[1:] != sorted_group[:-1]
    first = torch.searchsorted(sorted_group, sorted_group)
    other = torch.empty_like(order)
    other[order] = order[torch.where(is_last, first, following.clamp(max=n_rows - 1))]
    return other
