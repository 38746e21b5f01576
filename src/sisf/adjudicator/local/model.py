"""The fitted parts of the local judge, and how they are kept."""

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sisf.adjudicator.local.textmodel import TextModel
from sisf.embedding.base import Vectors
from sisf.errors import DataError
from sisf.taxonomy import Hazard

_PARTS = ("request", "answer", "refusal")


@dataclass(frozen=True)
class LocalModel:
    """Everything that was learned from what ships."""

    request: TextModel
    """Log-odds that a request seeks harm."""
    answer: TextModel
    """Log-odds that a piece of an answer holds harm."""
    refusal: TextModel
    """Log-odds that an answer's beginning refuses."""
    hazards: tuple[Hazard, ...]
    hazard_weights: NDArray[np.float32]
    """Shape `(hazards, dimensions + 1)`; the last column is the bias."""

    def hazard(self, vector: Vectors) -> tuple[Hazard, float]:
        """The likeliest hazard of a text's vector, and its probability among hazards."""
        scores = self.hazard_weights[:, :-1] @ vector + self.hazard_weights[:, -1]
        shares = np.exp(scores - scores.max())
        best = int(np.argmax(shares))
        return self.hazards[best], float(shares[best] / shares.sum())

    def save(self, path: Path) -> None:
        """Write it as one `.npz` file, whole or not at all. No code is stored, and none is run when it is read."""
        arrays = {f"{part}.{name}": a for part in _PARTS for name, a in getattr(self, part).arrays().items()}
        buffer = BytesIO()
        np.savez_compressed(
            buffer, hazards=np.array([h.value for h in self.hazards]), hazard_weights=self.hazard_weights, **arrays
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{id(self):x}")
        draft.write_bytes(buffer.getvalue())
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> "LocalModel":
        """Read what `save` wrote. Raises `DataError` when the file is damaged."""
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            models = {
                part: TextModel.of(
                    {n.removeprefix(f"{part}."): a for n, a in arrays.items() if n.startswith(f"{part}.")}
                )
                for part in _PARTS
            }
            hazards = tuple(Hazard(str(value)) for value in arrays["hazards"])
            return cls(**models, hazards=hazards, hazard_weights=arrays["hazard_weights"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{path}: is no local judge ({error}); delete it and it is made anew") from None
