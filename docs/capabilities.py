"""The table of capabilities, read off the estimators: tags, parameters, methods, constraints."""

import inspect
import re
from typing import NamedTuple

from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

import sphereskl


class Capability(NamedTuple):
    """A row of the table: what it is called, where it is explained, and who has it."""

    name: str
    page: str
    has: object


def estimators():
    """Return the public estimators, in alphabetical order."""
    things = [getattr(sphereskl, name) for name in sorted(sphereskl.__all__)]
    return [thing for thing in things if inspect.isclass(thing) and hasattr(thing, "fit")]


def tag(group, name):
    """Return a test of a tag, such as ``input_tags.allow_nan``."""
    return lambda estimator: getattr(getattr(get_tags(estimator), group), name)


def parameter(name):
    """Return a test for a parameter of the constructor."""
    return lambda estimator: name in estimator.get_params(deep=False)


def fit_argument(name):
    """Return a test for an argument of ``fit``."""
    return lambda estimator: has_fit_parameter(estimator, name)


def method(name):
    """Return a test for a method."""
    return lambda estimator: hasattr(estimator, name)


def either(*tests):
    """Return a test that one of several passes."""
    return lambda estimator: any(test(estimator) for test in tests)


def multi_label(estimator):
    """Return whether a row may have several labels."""
    tags = get_tags(estimator).classifier_tags
    return tags is not None and tags.multi_label


TABLES = {
    "Tasks": [
        Capability("classification", "first_steps", either(is_classifier, method("predict_class"))),
        Capability("regression", "regression", either(is_regressor, method("predict_value"))),
        Capability("multi-output regression", "regression", tag("target_tags", "multi_output")),
        Capability("ordinal regression (`categories`)", "ordinal", parameter("categories")),
        Capability("a class and a value, either missing", "joint", method("predict_class")),
        Capability("multi-label classification", "choosing", multi_label),
        Capability("angular margins (`margin`)", "spherenet", parameter("margin")),
        Capability("new classes after `fit` (`add_classes`)", "new_classes", method("add_classes")),
        Capability("reserved prototypes (`n_reserved`)", "new_classes", parameter("n_reserved")),
    ],
    "Inputs": [
        Capability("missing values in tables", "tables", tag("input_tags", "allow_nan")),
        Capability("categorical features", "tables", parameter("categorical_features")),
        Capability("images (`input_shape`)", "images", parameter("input_shape")),
        Capability("data augmentation (`augmentation`)", "images", parameter("augmentation")),
        Capability("sparse matrices", "tables", tag("input_tags", "sparse")),
        Capability("custom networks (`backbone`)", "images", parameter("backbone")),
        Capability("custom prototypes (`prototypes`)", "prototypes", parameter("prototypes")),
    ],
    "Training": [
        Capability("sample weights", "weights", fit_argument("sample_weight")),
        Capability("class weights", "weights", parameter("class_weight")),
        Capability("given validation set (`X_val`)", "training", fit_argument("X_val")),
        Capability("early stopping", "training", parameter("early_stopping")),
        Capability("fine-tuning (`backbone_lr`)", "images", parameter("backbone_lr")),
        Capability("incremental learning (`partial_fit`)", "weights", method("partial_fit")),
        Capability("warm start", "weights", parameter("warm_start")),
        Capability("skorch callbacks", "training", parameter("callbacks")),
        Capability("scikit-learn callbacks", "training", method("set_callbacks")),
        Capability("GPU (`device`)", "gpu", parameter("device")),
        Capability("float64 (`dtype`)", "gpu", parameter("dtype")),
        Capability("mixed precision (`precision`)", "gpu", parameter("precision")),
        Capability("compilation (`compile`)", "gpu", parameter("compile")),
    ],
    "Predictions": [
        Capability("`predict`", "first_steps", method("predict")),
        Capability("`predict_class`, `predict_value`", "joint", method("predict_value")),
        Capability("probabilities (`predict_proba`)", "probabilities", method("predict_proba")),
        Capability("`predict_log_proba`", "probabilities", method("predict_log_proba")),
        Capability("cosines (`decision_function`)", "first_steps", method("decision_function")),
        Capability("embeddings (`transform`)", "pipelines", method("transform")),
        Capability(
            "agreement of members (`resultant_length`)", "tables", method("resultant_length")
        ),
        Capability(
            "prediction intervals (`predict_interval`)", "regression", method("predict_interval")
        ),
        Capability("novelty scores (`score_samples`)", "novelty", method("score_samples")),
        Capability("novelty detection (`is_novel`)", "novelty", method("is_novel")),
        Capability("reject option (`predict_or_reject`)", "novelty", method("predict_or_reject")),
        Capability("ONNX (`to_onnx`)", "serving", method("to_onnx")),
        Capability("the authors' settings (`parity`)", "spherenet", method("parity")),
    ],
}

# Rows of choices: the strings that a parameter takes.
CHOICES = ["backbone", "prototypes", "loss", "prediction", "operator"]


def choices(estimator, name):
    """Return the strings that a parameter may be, without "auto", in alphabetical order."""
    constraints = estimator._parameter_constraints.get(name, [])
    options = set().union(*(getattr(constraint, "options", ()) for constraint in constraints))
    return sorted(option for option in options if isinstance(option, str) and option != "auto")


def heading(estimator):
    """Return a link to an estimator's page under its name in words, which can be broken."""
    name = type(estimator).__name__
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("Hyperspherical ", "")
    words = words.replace("Sphere Net", "SphereNet")
    return f"{{class}}`{words} <sphereskl.{name}>`"


def as_table(rows, first):
    """Return a Markdown table with a column for every estimator."""
    titles = [first, *(heading(cls()) for cls in estimators())]
    lines = [titles, ["---"] + [":-:"] * len(estimators()), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def table_of_capabilities(rows):
    """Return the Markdown table of some capabilities."""
    return as_table(
        [
            [f"[{row.name}](user_guide/{row.page}.md)"]
            + ["yes" if row.has(cls()) else "–" for cls in estimators()]  # noqa: RUF001
            for row in rows
        ],
        "",
    )


def table_of_choices():
    """Return the Markdown table of what strings parameters may be."""
    rows = []
    for name in CHOICES:
        found = [choices(cls(), name) for cls in estimators()]
        cells = [", ".join(f'"{option}"' for option in options) or "–" for options in found]  # noqa: RUF001
        rows.append([f"`{name}`", *cells])
    return as_table(rows, "parameter")


def write(path):
    """Write the tables, which docs/capabilities.md includes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"## {title}\n\n{table_of_capabilities(rows)}" for title, rows in TABLES.items()]
    parts.append(f"## Choices by name\n\n{table_of_choices()}")
    path.write_text("\n".join(parts))
