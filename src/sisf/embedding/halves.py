"""One encoder graph as two that follow each other: its first layers, cheap, and the rest.

Run one after the other they give the very numbers of the whole. What the first layers say may make the rest needless
(`sisf.warden.first_look`).
"""

from collections.abc import Collection, Sequence

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from sisf.embedding.runtime import BETWEEN, INPUT, OUTPUT, STATES

LAYERS = 2
"""Layers in the first graph. After one layer the vector is guessed far worse, after three the look costs half."""
_NORMALISED = "SkipLayerNormalization"


def split(model: bytes) -> tuple[bytes, bytes]:
    """The first `LAYERS` layers (`INPUT` to `BETWEEN`), and what follows them (`BETWEEN` to `STATES` and `OUTPUT`).

    Raises `ValueError` for a graph that `bert_graph` did not write.
    """
    whole = ModelProto.FromString(model)
    ends = [node.output[0] for node in whole.graph.node if node.op_type == _NORMALISED]
    if len(ends) <= 2 * LAYERS:
        raise ValueError(f"a graph with {len(ends)} normalisations has no {LAYERS} layers to take off")
    cut = ends[2 * LAYERS]  # the embeddings have one, each layer two
    for node in whole.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == cut:
                    names[place] = BETWEEN
    return _part(whole, (INPUT,), (BETWEEN,)), _part(whole, (BETWEEN,), (STATES, OUTPUT))


def _part(whole: ModelProto, given: Sequence[str], wanted: Sequence[str]) -> bytes:
    nodes = _needed(whole.graph.node, given, wanted)
    used = {name for node in nodes for name in node.input}
    values = [constant for constant in whole.graph.initializer if constant.name in used]
    graph = helper.make_graph(
        nodes, whole.graph.name, list(map(_described, given)), list(map(_described, wanted)), values
    )
    model = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
    return bytes(model.SerializeToString())


def _needed(nodes: Sequence[NodeProto], given: Collection[str], wanted: Sequence[str]) -> list[NodeProto]:
    """The nodes between what is given and what is wanted, in their order."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.output}
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in given or name not in makers or makers[name] in found:
            continue
        found.add(makers[name])
        waiting += nodes[makers[name]].input
    return [nodes[index] for index in sorted(found)]


def _described(name: str) -> ValueInfoProto:
    if name == INPUT:
        return helper.make_tensor_value_info(name, TensorProto.INT64, [1, "tokens"])
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
