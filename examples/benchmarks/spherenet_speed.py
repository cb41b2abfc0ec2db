"""What a hyperspherical convolution costs compared with torch.nn.Conv2d.

    python examples/benchmarks/spherenet_speed.py [--rounds 15] [--channels-last]
        [--device cuda] [--bf16]

Forward and backward pass of 3x3 convolutions on batches of 64, one thread, float32. All
contenders take turns in every round; entries are medians of the ratios of process CPU time,
on a GPU of the time until it is done, within a round. Next to the layers, eager and compiled,
stand the two obvious ways to write them: patches laid out by ``unfold``, and patch norms by a
full convolution with ones, as in the authors' program. The last column counts the bytes that
wait for the backward pass.
"""

import argparse
import math
import platform
import statistics
import time
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

import sphereskl
from sphereskl.nn import SphereConv2d

SHAPES = [(64, 32), (128, 16)]
OPERATORS = ["cosine", "linear", "sigmoid"]
BATCH, KERNEL, EPS, K = 64, 3, 1e-4, 0.3


def by_unfold(layer, x):
    """Cosines of explicit patches: nine times the memory of the input."""
    patches = F.unfold(x, KERNEL, padding=1)
    cosines = F.normalize(layer.weight.flatten(1), dim=1) @ patches
    cosines = cosines / (patches.square().sum(dim=1, keepdim=True) + EPS).sqrt()
    return cosines.unflatten(2, x.shape[2:])


def by_ones(layer, x, operator):
    """Norms by a convolution over all channels, operators as the paper writes them."""
    ones = x.new_ones(1, *layer.weight.shape[1:])
    norm = (F.conv2d(x.square(), ones, padding=1) + EPS).sqrt()
    length = (layer.weight.square().sum(dim=(1, 2, 3)) + EPS).sqrt()
    cosines = F.conv2d(x, layer.weight, padding=1) / norm / length[:, None, None]
    if operator == "cosine":
        return cosines
    theta = torch.acos(cosines)
    if operator == "linear":
        return 1 - 2 / math.pi * theta
    end, power = math.exp(-math.pi / (2 * K)), torch.exp(theta / K - math.pi / (2 * K))
    return (1 + end) / (1 - end) * (1 - power) / (1 + power)


def make_contenders(channels, backend="inductor"):
    """Functions of the input by name, plain convolution first."""
    shape = dict(kernel_size=KERNEL, padding=1, bias=False)
    layers = {"Conv2d": nn.Conv2d(channels, channels, **shape)}
    for operator in OPERATORS:
        layer = SphereConv2d(channels, channels, **shape, operator=operator, k=K)
        layers[f"SphereConv2d, {operator}"] = layer
    compiled = {
        f"{name}, compiled": torch.compile(layer, fullgraph=True, backend=backend)
        for name, layer in layers.items()
    }
    by_hand = {"unfold, cosine": partial(by_unfold, layers["Conv2d"])}
    for operator in OPERATORS:
        name = f"convolution with ones, {operator}"
        by_hand[name] = partial(by_ones, layers["Conv2d"], operator=operator)
    return {**layers, **compiled, **by_hand}


def seconds(contender, x, grad, bf16):
    x.grad = None
    clock = time.process_time if x.device.type == "cpu" else time.perf_counter
    start = clock()
    # A GPU takes several steps in one measurement: launching is part of what they cost.
    for _ in range(1 if x.device.type == "cpu" else 10):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            y = contender(x)
        y.backward(grad.to(y.dtype))
    if x.device.type != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / (1 if x.device.type == "cpu" else 10)


def saved_bytes(contender, x):
    """Bytes of the distinct buffers that the forward pass keeps."""
    buffers = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        buffers[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = contender(x)
    del y
    return sum(buffers.values())


def report(channels, size, rounds, memory_format, device, bf16):
    torch.manual_seed(0)
    torch.compiler.reset()  # one shape's compilations do not count towards the next one's limit
    with torch.device(device):
        contenders = make_contenders(channels)
        shape = BATCH, channels, size, size
        x, grad = (torch.randn(shape).to(memory_format=memory_format) for _ in range(2))
    x.requires_grad_()
    times = {name: [] for name in contenders}
    for contender in 2 * list(contenders.values()):
        seconds(contender, x, grad, bf16)
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(seconds(contender, x, grad, bf16))
    print(f"\n| {channels} channels, {size} x {size} | ms | / Conv2d | MiB saved | / Conv2d |")
    print("|---|---|---|---|---|")
    base = saved_bytes(contenders["Conv2d"], x)
    for name, contender in contenders.items():
        pairs = zip(times[name], times["Conv2d"], strict=True)
        ratio = statistics.median(own / plain for own, plain in pairs)
        saved = saved_bytes(contender, x)
        print(
            f"| {name} | {1e3 * statistics.median(times[name]):.3g} | {ratio:.2f} | "
            f"{saved / 2**20:.0f} | {saved / base:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="under autocast to bfloat16")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, one thread, {arguments.rounds} rounds"
        + (f", {torch.cuda.get_device_name()}" if arguments.device != "cpu" else "")
        + (", bfloat16" if arguments.bf16 else "")
    )
    memory_format = torch.channels_last if arguments.channels_last else torch.contiguous_format
    for channels, size in SHAPES:
        options = memory_format, arguments.device, arguments.bf16
        report(channels, size, arguments.rounds, *options)


if __name__ == "__main__":
    main()
