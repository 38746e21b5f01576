"""Which embedder a setting names, and the clear errors for what it cannot name."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sisf.embedding import Embedder, create_embedder
from sisf.embedding.minilm import file_of
from sisf.embedding.minilm_package import MAX_TOKENS, packaged_folder
from sisf.errors import ConfigurationError, SisfError


@pytest.mark.smoke
@pytest.mark.parametrize(
    "spec",
    ["", "bert", "minilm:large", "folder", "folder:", "fastembed", "openai", "hash:9", "Minilm"],
)
def test_an_unknown_spec_names_what_there_is(spec: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not known: use `harm-aware`, .*`folder:PATH`"):
        create_embedder(spec)


@pytest.mark.parametrize("spec", ["openai:model", "openai:model@host:80", "openai:@http://host", "openai:m@http://"])
def test_an_endpoint_needs_model_and_url(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="write `openai:MODEL@URL`"):
        create_embedder(spec)


def test_fastembed_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'sisf\[fastembed\]'"):
        create_embedder("fastembed:BAAI/bge-small-en-v1.5")


def test_names_load_nothing() -> None:
    import subprocess

    script = (
        "import sys; from sisf.embedding import create_embedder as c; c('hash'); c('openai:m@http://localhost:1/v1');"
        "late = {'onnxruntime', 'onnx', 'openai', 'tokenizers'} & set(sys.modules); sys.exit(str(late) if late else 0)"
    )
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(source)}, check=False)
    assert done.returncode == 0


def _token_table(width: int) -> ModelProto:
    """A sentence encoder as hubs publish them: ids and mask in, one row per token out; row `i` is token `i`'s own."""
    rows = np.random.default_rng(0).normal(size=(30522, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["last_hidden_state"]),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "n"]) for n in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "n", width])]
    constants = [numpy_helper.from_array(rows, "table"), numpy_helper.from_array(np.array([-1]), "last")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-model"
    path.mkdir()
    (path / "model.onnx").write_bytes(_token_table(32).SerializeToString())
    (path / "tokenizer.json").write_bytes((packaged_folder() / "tokenizer.json").read_bytes())
    (path / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    return path


def _pool(folder: Path, **modes: bool) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))


def test_a_folder_is_an_embedder(folder: Path) -> None:
    embedder = create_embedder(f"folder:{folder}")
    assert (embedder.dimensions, embedder.max_tokens) == (32, 126)
    assert embedder.id.startswith("folder-tiny-model-")
    vectors = embedder.embed(["plum cake", "cake plum", "motor oil"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)  # the mean knows no order
    assert vectors[0] @ vectors[2] < 0.9
    assert embedder.count_tokens("plum cake") == 2
    assert len(embedder.windows("plum cake " * 200, overlap=10)) > 1


def test_a_folder_with_first_token_pooling(folder: Path) -> None:
    _pool(folder, pooling_mode_cls_token=True)
    first, second = create_embedder(f"folder:{folder}").embed(["plum cake", "motor oil"])
    np.testing.assert_allclose(first, second, atol=1e-6)  # both begin with [CLS]


def test_the_graph_decides_the_id(folder: Path) -> None:
    before = create_embedder(f"folder:{folder}").id
    (folder / "model.onnx").write_bytes(_token_table(48).SerializeToString())
    assert create_embedder(f"folder:{folder}").id != before


def test_a_published_graph_of_the_packaged_model_gives_its_vectors(tmp_path: Path, minilm_fp32: Embedder) -> None:
    """Our own float32 graph, put into a folder, is one vector per text: taken at its word."""
    from sisf.settings import cache_dir

    minilm_fp32.embed(["make sure that it is converted"])
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").symlink_to(cache_dir() / "models" / file_of(minilm_fp32.id))
    (tmp_path / "tokenizer.json").symlink_to(packaged_folder() / "tokenizer.json")
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MAX_TOKENS + 2}))
    texts = ["plum cake", "motor oil " * 300]
    embedder = create_embedder(f"folder:{tmp_path}")
    np.testing.assert_allclose(embedder.embed(texts), minilm_fp32.embed(texts), atol=1e-6)


def test_an_incomplete_folder_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"needs `model\.onnx`"):
        create_embedder(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.onnx", b"nonsense"),
        ("tokenizer.json", b"{}"),
        ("1_Pooling/config.json", b'{"pooling_mode_max_tokens": true}'),
        ("sentence_bert_config.json", b"{"),
    ],
)
def test_a_broken_folder_is_one_clear_error(folder: Path, file: str, content: bytes) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_bytes(content)
    with pytest.raises(SisfError, match=str(folder / file)):
        create_embedder(f"folder:{folder}")
