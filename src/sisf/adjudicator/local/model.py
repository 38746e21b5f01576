"""The parts of the local judge that are fitted once and kept; the encoder brings its own."""

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sisf.adjudicator.local.textmodel import TextModel
from sisf.adjudicator.local.wordmodel import WordModel
from sisf.errors import DataError, reason
from sisf.files import read_verified, write_verified

_PARTS: dict[str, type[TextModel] | type[WordModel]] = {"request": TextModel, "harm": WordModel, "refusal": WordModel}


@dataclass(frozen=True)
class LocalModel:
    """What was learned from the texts that ship."""

    request: TextModel
    """Log-odds that a request seeks harm, over MiniLM as published: a second view beside the encoder's."""
    harm: WordModel
    """Log-odds that a request seeks harm or an answer holds it: which pieces of a long text are read."""
    refusal: WordModel
    """Log-odds that an answer's beginning refuses."""

    def save(self, path: Path) -> None:
        """Write it as one `.npz` file with its digest. No code is stored, and none is run when it is read.

        Raises `OSError`.
        """
        arrays = {f"{part}.{name}": a for part in _PARTS for name, a in getattr(self, part).arrays().items()}
        buffer = BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_verified(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "LocalModel":
        """Read what `save` wrote. Raises `DataError` when the file is damaged, or was changed since."""
        content = read_verified(path)
        if content is None:
            raise DataError(f"{path}: is not what was written there; delete it and it is made anew")
        try:
            with np.load(BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            parts: dict[str, Any] = {
                part: kind.of({n.removeprefix(f"{part}."): a for n, a in arrays.items() if n.startswith(f"{part}.")})
                for part, kind in _PARTS.items()
            }
            return cls(**parts)
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{path}: is no local judge ({reason(error)}); delete it and it is made anew") from None
