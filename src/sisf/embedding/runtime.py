"""Opening ONNX Runtime sessions the one way that this project uses them."""

from pathlib import Path
from typing import Any

from sisf.errors import ModelError

INPUT = "input_ids"
OUTPUT = "vector"
STATES = "states"
"""The names in our own graphs. `states` holds what each token became before the mean: shape (1, n, hidden)."""


_SLOWER = ("SkipLayerNormFusion",)
"""What ONNX Runtime's optimiser would put in the place of a sum and a normalisation: one operator that takes eight
times as long as these two, a sixth to a third of a whole pass (docs/adr/0721)."""


def open_session(model: bytes | Path) -> Any:
    """A CPU session with one thread for each run; runs on several threads at once are safe.

    Raises `ModelError` when the model cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(
            source, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(_SLOWER)
        )
    except Exception as error:  # noqa: BLE001 - the runtime's own errors share no base but this
        name = model if isinstance(model, Path) else "model"
        raise ModelError(f"{name}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None
