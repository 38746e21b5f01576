"""BERT sentence encoders as ONNX graphs, written node by node from their weights.

The graph takes one text's `input_ids` of shape (1, n) and gives its vector of shape (1, hidden): embeddings, encoder
layers, mean over all tokens, length 1. There is no attention mask because there is never padding: int8 arithmetic
takes one scale per tensor, so that a text's neighbours in a batch would change its vector (docs/adr/0110).

It uses ONNX Runtime's fused operators (`com.microsoft`), which its own optimiser would put in place of the plain ones,
but for the one that adds and normalises, which is slow (`runtime`).

Sources: Devlin et al. 2019, arXiv 1810.04805; Reimers and Gurevych 2019, arXiv 1908.10084.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sisf.embedding.runtime import INPUT, OUTPUT, STATES

MICROSOFT = "com.microsoft"
_OPSET = 18
_IR_VERSION = 9

Array = NDArray[Any]
Linear = Callable[["GraphWriter", str, str, Array, Array | None], str]
"""Writes `x @ weight + bias` under a name: (writer, name, x, weight of shape (in, out), bias) to the output's name."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """The dimensions of a BERT encoder."""

    layers: int
    heads: int
    hidden: int
    epsilon: float


@dataclass(slots=True)
class GraphWriter:
    """Collects nodes and constants of a graph under construction."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Array) -> str:
        """Add a constant; returns its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], *, domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or a list of names when it has several."""
        names = [f"{operator}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names


def float_linear(writer: GraphWriter, name: str, x: str, weight: Array, bias: Array | None) -> str:
    """`x @ weight + bias` in float32."""
    product: str = writer.node("MatMul", [x, writer.constant(f"{name}.weight", weight)])
    if bias is None:
        return product
    added: str = writer.node("Add", [product, writer.constant(f"{name}.bias", bias)])
    return added


def build_graph(
    weights: Mapping[str, Array],
    shape: BertShape,
    *,
    linear: Linear = float_linear,
    word_dtype: type[np.floating[Any]] = np.float32,
) -> ModelProto:
    """The whole encoder. `word_dtype` is how word embeddings are kept (they are computed with in float32)."""
    encoder = _Encoder(weights, shape, linear, word_dtype)
    writer = encoder.writer
    states = encoder.write()
    writer.nodes.append(helper.make_node("Identity", [states], [STATES]))
    mean = writer.node("ReduceMean", [states, writer.constant("token_axis", np.array([1]))], keepdims=0)
    writer.nodes.append(helper.make_node("LpNormalization", [mean], [OUTPUT], axis=-1, p=2))
    graph = helper.make_graph(
        writer.nodes,
        "sentence_encoder",
        [helper.make_tensor_value_info(INPUT, TensorProto.INT64, [1, "tokens"])],
        [
            helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, shape.hidden]),
            helper.make_tensor_value_info(STATES, TensorProto.FLOAT, [1, "tokens", shape.hidden]),
        ],
        writer.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="sisf")


@dataclass(slots=True)
class _Encoder:
    """Writes the parts of one encoder; each method takes and gives names of tensors of shape (1, n, hidden)."""

    weights: Mapping[str, Array]
    shape: BertShape
    linear: Linear
    word_dtype: type[np.floating[Any]]
    writer: GraphWriter = field(default_factory=GraphWriter)

    def write(self) -> str:
        x = self._embeddings()
        for number in range(self.shape.layers):
            x = self._layer(f"encoder.layer.{number}", x)
        return x

    def _embeddings(self) -> str:
        writer, weights = self.writer, self.weights
        table = writer.constant("words", weights["embeddings.word_embeddings.weight"].astype(self.word_dtype))
        words = writer.node("Cast", [writer.node("Gather", [table, INPUT])], to=TensorProto.FLOAT)
        # Every token of a single text has type 0: its row is added to the positions once, here.
        token_type = weights["embeddings.token_type_embeddings.weight"][0]
        places = writer.constant("positions", (weights["embeddings.position_embeddings.weight"] + token_type)[None])
        zero, axis = writer.constant("zero", np.array([0])), writer.constant("position_axis", np.array([1]))
        length = writer.node("Shape", [INPUT], start=1, end=2)
        positions = writer.node("Slice", [places, zero, length, axis])
        return self._add_and_normalise("embeddings.LayerNorm", words, positions)

    def _layer(self, prefix: str, x: str) -> str:
        attended = self._attention(f"{prefix}.attention.self", x)
        projected = self._dense(f"{prefix}.attention.output.dense", attended)
        x = self._add_and_normalise(f"{prefix}.attention.output.LayerNorm", projected, x)
        name = f"{prefix}.intermediate.dense"
        wide = self.linear(self.writer, name, x, self.weights[f"{name}.weight"].T, None)
        bias = self.writer.constant(f"{prefix}.gelu.bias", self.weights[f"{name}.bias"])
        active = self.writer.node("BiasGelu", [wide, bias], domain=MICROSOFT)
        narrow = self._dense(f"{prefix}.output.dense", active)
        return self._add_and_normalise(f"{prefix}.output.LayerNorm", narrow, x)

    def _attention(self, prefix: str, x: str) -> str:
        parts = [f"{prefix}.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([self.weights[f"{part}.weight"].T for part in parts], axis=1)
        bias = np.concatenate([self.weights[f"{part}.bias"] for part in parts])
        together = self.linear(self.writer, prefix, x, weight, bias)
        sizes = self.writer.constant(f"{prefix}.sizes", np.array([self.shape.hidden] * 3))
        split = self.writer.node("Split", [together, sizes], outputs=3, axis=-1)
        attended: str = self.writer.node("MultiHeadAttention", split, domain=MICROSOFT, num_heads=self.shape.heads)
        return attended

    def _dense(self, prefix: str, x: str) -> str:
        return self.linear(self.writer, prefix, x, self.weights[f"{prefix}.weight"].T, self.weights[f"{prefix}.bias"])

    def _add_and_normalise(self, prefix: str, x: str, residual: str) -> str:
        gain = self.writer.constant(f"{prefix}.weight", self.weights[f"{prefix}.weight"])
        bias = self.writer.constant(f"{prefix}.bias", self.weights[f"{prefix}.bias"])
        summed = self.writer.node("Add", [x, residual])
        normalised: str = self.writer.node(
            "LayerNormalization", [summed, gain, bias], axis=-1, epsilon=self.shape.epsilon
        )
        return normalised
