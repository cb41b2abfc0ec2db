"""Settings of every section: for a GPU, for two CPU cores, and for tests."""

# Last layers: softmax, the paper's softmax, or prototypes in so many dimensions.
_MAIN, _SPHERICAL, _OTHER = ("softmax", 9), ("softmax", 9, "w_softmax"), (10, 64, 3, 5)
_CONV, _PLAIN = "ConvNet, 6 convolutions", "SphereCNN, 9 convolutions"
_RESIDUAL = "SphereResNet, 14 layers"
_RESIDUAL_COMPILED = "SphereResNet, 14 layers, compiled"
_SHALLOW, _RESIDUAL_SMALL = "SphereCNN, 3 convolutions", "SphereResNet, 8 layers"


def cases(standard=(), orthogonal=(), spherical=()):
    """Layers, regulariser and last layer of the networks to compare, softmax first."""
    return (
        *(("ordinary", "weight decay", head) for head in standard),
        *(("spherical", "orthogonality", head) for head in spherical),
        *(("ordinary", "orthogonality", head) for head in orthogonal),
    )


def sphere_net(depth, widths, **options):
    return {"kind": "SphereCNN", "depth": depth, "widths": widths, **options}


def residual(depth, widths):
    return {"kind": "SphereResNet", "depth": depth, "widths": widths}


def conv_net(widths, n_blocks):
    return {"kind": "ConvNet", "widths": widths, "n_blocks": n_blocks}


def recipe(images, test_images, epochs, batch_size, lr, weight_decay, shift, **options):
    return {
        "images": images,
        "test_images": test_images,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "shift": shift,
        **options,
    }


_FULL_RECIPE = recipe(50_000, 10_000, 24, 512, 4e-3, 5e-2, 4)
_SMALL_RECIPE = recipe(3_000, 4_000, 6, 64, 4e-3, 1e-2, 2)
_TINY_RECIPE = recipe(200, 100, 2, 64, 4e-3, 1e-2, 1)

FULL = {
    "steps": {
        "hidden": [[64], [256, 256]],
        "batch_sizes": [256, 4096],
        "rows": 20 * 4096,
        "rounds": 7,
        "backend": "inductor",
    },
    "convolutions": {
        "shapes": [(64, 32, 512)],
        "later_shapes": [(128, 16, 512), (64, 32, 64), (128, 16, 64)],
        "forms": [
            ("channels last", "bf16"),
            ("contiguous", "float32"),
            ("channels last", "float32"),
        ],
        "rounds": 15,
        "backend": "inductor",
    },
    "cifar": {
        "nets": {
            _RESIDUAL: {"net": residual(14, [96, 192, 384])},
            _RESIDUAL_COMPILED: {"net": residual(14, [96, 192, 384]), "compile": True},
            _PLAIN: {"net": sphere_net(9, [128, 192, 256])},
            _CONV: {"net": conv_net([128, 256, 512], 2)},
        },
        "cases": [
            ("cifar10", _CONV, cases(_MAIN)),
            ("cifar10", _RESIDUAL, cases(_MAIN, _MAIN, _SPHERICAL)),
            ("cifar10", _PLAIN, cases(_MAIN, _MAIN, _SPHERICAL)),
            ("cifar10", _RESIDUAL_COMPILED, cases(_MAIN, (), _MAIN)),
            ("cifar10", _CONV, cases(_OTHER)),
            ("cifar10", _RESIDUAL, cases(_OTHER)),
        ],
        "late_cases": [],
        "recipe": _FULL_RECIPE,
        "authors": ["spherical", "ordinary"],
        "authors_recipe": {
            "set": "cifar10",
            "images": 50_000,
            "test_images": 10_000,
            "epochs": 164,
            "widths": [128, 192, 256],
        },
        "authors_seconds": 3600,
    },
    "bottleneck": {
        "images_dims": [2, 3, 5, 9],
        "images": {**_FULL_RECIPE, "set": "cifar10", "net": conv_net([64, 128, 256], 2)},
        "table_dims": [2, 3, 5, 10, 25],
        "table": {
            "set": "letter",
            "rows": 20_000,
            "hidden": [256, 256],
            "epochs": 30,
            "batch_size": 256,
            "lr": 4e-3,
        },
    },
    "depth": {
        "set": "cifar10",
        "images": 50_000,
        "widths": [64, 128, 256],
        "steps": 800,
        "depths": [9, 18, 36, 60],
    },
    "batches": {
        "set": "cifar10",
        "images": 5_000,
        "test_images": 10_000,
        "depth": 9,
        "widths": [64, 128, 256],
        "lr": 2e-3,
        "epochs": 3,
        "batch_sizes": [32, 16, 8, 4, 2],
    },
    "gain": {"set": "cifar10", "images": 50_000, "steps": 500},
    "storage": {"images": 50_000, "widths": [32, 64], "batch_size": 512, "rounds": 5},
}

SMALL = {
    "steps": {**FULL["steps"], "rows": 5 * 4096, "rounds": 9},
    "convolutions": {
        "shapes": [(32, 16, 64)],
        "later_shapes": [],
        "forms": [("contiguous", "float32"), ("channels last", "float32")],
        "rounds": 9,
        "backend": "inductor",
    },
    "cifar": {
        "nets": {
            _SHALLOW: {"net": sphere_net(3, [16, 32, 64])},
            _RESIDUAL_SMALL: {"net": residual(8, [8, 16, 32])},
        },
        "cases": [
            ("cifar10", _SHALLOW, cases(_MAIN, _MAIN, _MAIN)),
            ("fashion_mnist", _SHALLOW, cases(_MAIN, _MAIN, _MAIN)),
            ("cifar10", _RESIDUAL_SMALL, cases(_MAIN)),
            ("cifar10", _SHALLOW, cases(_OTHER)),
        ],
        "late_cases": [("cifar10", _RESIDUAL_SMALL, cases((), (), _MAIN))],
        "recipe": _SMALL_RECIPE,
        "authors": [],
    },
    "bottleneck": {
        "images_dims": [2, 3, 5, 9],
        "images": {**_SMALL_RECIPE, "set": "cifar10", "net": conv_net([16, 32, 64], 1)},
        "table_dims": [2, 3, 5, 10, 25],
        "table": {**FULL["bottleneck"]["table"], "rows": 6_000, "epochs": 20, "batch_size": 128},
    },
    "depth": {
        "set": "cifar10",
        "images": 6_000,
        "widths": [8, 12, 16],
        "steps": 120,
        "depths": [9, 18],
    },
    "batches": {
        "set": "fashion_mnist",
        "images": 500,
        "test_images": 2_000,
        "depth": 3,
        "widths": [8, 16, 32],
        "lr": 2e-3,
        "epochs": 3,
        "batch_sizes": [32, 8, 2],
    },
    "gain": {"set": "cifar10", "images": 6_000, "steps": 80},
    "storage": {"images": 4_000, "widths": [8, 16], "batch_size": 128, "rounds": 5},
}

TINY = {
    "steps": {
        "hidden": [[8]],
        "batch_sizes": [64],
        "rows": 256,
        "rounds": 1,
        "backend": "eager",
    },
    "convolutions": {
        "shapes": [(4, 6, 2)],
        "later_shapes": [],
        "forms": [("channels last", "float32")],
        "rounds": 1,
        "backend": "eager",
    },
    "cifar": {
        "nets": {_SHALLOW: {"net": sphere_net(3, [4, 8, 8])}},
        "cases": [("digits", _SHALLOW, cases(_MAIN, _MAIN, _SPHERICAL))],
        "late_cases": [],
        "recipe": _TINY_RECIPE,
        "authors": ["spherical"],
        "authors_recipe": {
            "set": "digits, RGB",
            "images": 64,
            "test_images": 64,
            "epochs": 1,
            "widths": [2, 2, 2],
        },
        "authors_seconds": 0,
    },
    "bottleneck": {
        "images_dims": [3],
        "images": {**_TINY_RECIPE, "set": "digits", "net": conv_net([4, 8], 1)},
        "table_dims": [3],
        "table": {
            "set": "digits, table",
            "rows": 300,
            "hidden": [16],
            "epochs": 2,
            "batch_size": 64,
            "lr": 4e-3,
        },
    },
    "depth": {
        "set": "digits, RGB",
        "images": 128,
        "widths": [2, 2, 2],
        "steps": 2,
        "depths": [9],
    },
    "batches": {
        "set": "digits",
        "images": 64,
        "test_images": 64,
        "depth": 3,
        "widths": [2, 2, 2],
        "lr": 2e-3,
        "epochs": 1,
        "batch_sizes": [32],
    },
    "gain": {"set": "digits, RGB", "images": 128, "steps": 2},
    "storage": {"images": 64, "widths": [2, 2], "batch_size": 32, "rounds": 2},
}

SIZES = {"full": FULL, "small": SMALL, "tiny": TINY}
SEEDS = {"full": 3, "small": 3, "tiny": 1}
BUDGETS = {"full": 540.0, "small": 1500.0, "tiny": 120.0}
