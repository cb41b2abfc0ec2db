"""The parts of an exported estimator for which torch has no tensors: strings, labels, names."""

import json
from typing import Any

import numpy as np

from ._served_columns import ServedColumn

# Opset versions, with and without categories: understood by every onnxruntime since 2023.
OPSET, _OPSET_OF_CATEGORIES = 18, 3

# Prefix of names of the network, so that columns may have any name.
_NETWORK = "network/"

_N = "n_samples"


def put_together(
    network: Any,
    outputs: list[str],
    columns: list[ServedColumn] | None,
    classes: Any,
    about: dict[str, Any],
) -> bytes:
    """Give a network the inputs and outputs that users expect.

    Parameters
    ----------
    network : onnx.ModelProto
        With one input.
    outputs : list of str
        Its outputs, see `TracedPredictions`.
    columns : list of ServedColumn or None
        Inputs; ``None`` for the input of the network.
    classes : ndarray or None
        Labels, by position.
    about : dict
        Further metadata.

    Returns
    -------
    content : bytes
        Content of the file.
    """
    import onnx

    given = network.graph.input[0].type.tensor_type
    graph = onnx.compose.add_prefix(network, _NETWORK).graph
    _forget_origin(graph)
    joint = onnx.GraphProto(name=about["estimator"])
    source = graph.input[0].name
    inputs = _read_columns(joint, columns, source) if columns else _read_matrix(joint, source)
    joint.input.extend(_described(inputs, columns, given))
    joint.node.extend(graph.node)
    joint.initializer.extend([*graph.initializer])
    taken = {value.name for value in joint.input}
    results = {}
    for name, result in zip(outputs, graph.output, strict=True):
        shown = "label" if name == "place" else name
        results[shown] = _free_name(shown, taken)
        shape = [_N, *(d.dim_value for d in list(result.type.tensor_type.shape.dim)[1:])]
        kind = result.type.tensor_type.elem_type
        if name == "place":
            kind = _read_labels(joint, classes, result.name, results[shown])
        else:
            joint.node.add(op_type="Identity", input=[result.name], output=[results[shown]])
        joint.output.append(onnx.helper.make_tensor_value_info(results[shown], kind, shape))
    opsets = [
        onnx.helper.make_opsetid("", OPSET),
        onnx.helper.make_opsetid("ai.onnx.ml", _OPSET_OF_CATEGORIES),
    ]
    model = onnx.helper.make_model(joint, opset_imports=opsets, functions=network.functions)
    model.ir_version = min(model.ir_version, 10)
    model.producer_name, model.producer_version = "sphereskl", about["sphereskl"]
    about = {**about, "inputs": inputs, "outputs": results}
    onnx.helper.set_model_props(
        model, {k: v if isinstance(v, str) else json.dumps(v) for k, v in about.items()}
    )
    return model.SerializeToString()


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name of an output, with underscores appended while a column has that name."""
    return _free_name(f"{name}_", taken) if name in taken else name


def holds_labels(classes: Any) -> bool:
    """Tell whether ONNX has a tensor for labels: numbers, booleans or strings."""
    kind = classes.dtype.kind
    if kind == "O":
        return all(isinstance(label, str) for label in classes.tolist())
    return kind in "biuU" or (kind == "f" and classes.dtype.itemsize <= 8)


def _forget_origin(graph: Any) -> None:
    """Remove what exporters record about the source code of a graph, paths included."""
    del graph.value_info[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]


def _read_matrix(graph: Any, target: str) -> list[dict[str, Any]]:
    graph.node.add(op_type="Identity", input=["X"], output=[target])
    return [{"name": "X"}]


def _read_columns(graph: Any, columns: list[ServedColumn], target: str) -> list[dict[str, Any]]:
    """Join columns to a matrix, those of strings as the numbers of their levels."""
    import onnx

    read, inputs = [], []
    for j, column in enumerate(columns):
        read.append(column.name)
        inputs.append({"name": column.name})
        if column.places is None:
            continue
        inputs[-1]["missing"] = column.missing
        read[-1], number = f"columns/{j}", f"columns/{j}/level"
        lookup = onnx.helper.make_node(
            "LabelEncoder",
            [column.name],
            [number],
            domain="ai.onnx.ml",
            keys_strings=list(column.places),
            values_int64s=list(column.places.values()),
            default_int64=-1,
        )
        cast = onnx.helper.make_node("Cast", [number], [read[-1]], to=onnx.TensorProto.DOUBLE)
        graph.node.extend([lookup, cast])
    graph.node.append(onnx.helper.make_node("Concat", read, [target], axis=1))
    return inputs


def _described(inputs: list[Any], columns: list[ServedColumn] | None, given: Any) -> list[Any]:
    """Return the types and shapes of inputs."""
    import onnx

    if columns is None:
        shape = [_N, *(dim.dim_value for dim in list(given.shape.dim)[1:])]
        return [onnx.helper.make_tensor_value_info("X", given.elem_type, shape)]
    kinds = [
        onnx.TensorProto.DOUBLE if column.places is None else onnx.TensorProto.STRING
        for column in columns
    ]
    return [
        onnx.helper.make_tensor_value_info(one["name"], kind, [_N, 1])
        for one, kind in zip(inputs, kinds, strict=True)
    ]


def _read_labels(graph: Any, classes: Any, place: str, label: str) -> int:
    """Look labels up, and return the type of the tensor that holds them."""
    import onnx

    table = f"{_NETWORK}classes"
    if classes.dtype.kind in "OU":
        texts: Any = [str(name).encode() for name in classes.tolist()]
        kind = onnx.TensorProto.STRING
        graph.initializer.append(onnx.helper.make_tensor(table, kind, [len(texts)], texts))
    else:
        native = np.ascontiguousarray(classes, dtype=classes.dtype.newbyteorder("="))
        graph.initializer.append(onnx.numpy_helper.from_array(native, table))
        kind = graph.initializer[-1].data_type
    graph.node.append(onnx.helper.make_node("Gather", [table, place], [label], axis=0))
    return kind
