"""Dynamic int8 arithmetic for the linear maps of an encoder, with the few outlier channels kept in float32.

Weights are quantised once per output channel, activations per tensor as they come. BERT's activations carry a few
channels that are ten to thirty times larger than the rest; one scale for all would leave the rest hardly any steps.
So the largest `OUTLIERS` input channels of each map, found by running sample texts, are multiplied in float32 and
taken out of the int8 product (the idea of Dettmers et al. 2022, arXiv 2208.07339, with the channels fixed).

Weights use 7 bits: on processors without VNNI, pairs of 8-bit products saturate 16 bits, and vectors would differ from
one machine to another. The figures that decided are in docs/adr/0110.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from sisf.embedding.bert_graph import MICROSOFT, Array, BertShape, GraphWriter, build_graph, float_linear
from sisf.embedding.runtime import INPUT, open_session

OUTLIERS = 8
_WEIGHT_LIMIT = 63  # 255 * 63 * 2 < 2**15: no pair of products saturates

Peaks = Mapping[str, NDArray[np.float32]]
"""Name of a linear map to the largest magnitude seen in each of its input channels."""


def measure_peaks(weights: Mapping[str, Array], shape: BertShape, samples: Sequence[NDArray[np.int64]]) -> Peaks:
    """Run the float32 graph over the samples' ids and note the largest input of every linear map, per channel."""
    inputs: dict[str, str] = {}

    def noting(writer: GraphWriter, name: str, x: str, weight: Array, bias: Array | None) -> str:
        inputs[name] = x
        return float_linear(writer, name, x, weight, bias)

    model = build_graph(weights, shape, linear=noting)
    for tensor in dict.fromkeys(inputs.values()):
        model.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    session = open_session(model.SerializeToString())
    runs = [session.run(list(inputs.values()), {INPUT: ids}) for ids in samples]
    return {name: np.max([np.abs(run[i][0]).max(axis=0) for run in runs], axis=0) for i, name in enumerate(inputs)}


def quantised_graph(weights: Mapping[str, Array], shape: BertShape, peaks: Peaks) -> ModelProto:
    """The encoder with every linear map in int8 but for its outlier channels; word embeddings in float16."""

    def linear(writer: GraphWriter, name: str, x: str, weight: Array, bias: Array | None) -> str:
        outliers = np.sort(np.argsort(-peaks[name], kind="stable")[:OUTLIERS])
        kept = np.ones(len(weight), dtype=np.float32)
        kept[outliers] = 0.0
        picked = writer.node("Gather", [x, writer.constant(f"{name}.outliers", outliers)], axis=-1)
        exact = writer.node("MatMul", [picked, writer.constant(f"{name}.outlier_weight", weight[outliers])])
        rest = writer.node("Mul", [x, writer.constant(f"{name}.kept", kept)])
        product = _int8_product(writer, name, rest, weight * kept[:, np.newaxis], bias)
        total: str = writer.node("Add", [product, exact])
        return total

    return build_graph(weights, shape, linear=linear, word_dtype=np.float16)


def _int8_product(writer: GraphWriter, name: str, x: str, weight: Array, bias: Array | None) -> str:
    scale = np.maximum(np.abs(weight).max(axis=0), np.finfo(np.float32).tiny) / _WEIGHT_LIMIT
    rounded = np.rint(weight / scale).astype(np.int8)
    inputs = [
        x,
        writer.constant(f"{name}.weight", rounded),
        writer.constant(f"{name}.scale", scale.astype(np.float32)),
        writer.constant(f"{name}.zero", np.zeros(weight.shape[1], dtype=np.int8)),
    ]
    if bias is not None:
        inputs.append(writer.constant(f"{name}.bias", bias))
    product: str = writer.node("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)
    return product
