"""What the benign reference is, and which tenth of it is kept from synthesis."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

from sisf import corpus, datasets
from sisf.corpus.composing import compose
from sisf.datasets import Dataset
from sisf.errors import DataError, quoted
from sisf.synthesis.base import Reference

_SECRET = 10
"""One in so many benign prompts is kept from synthesis."""
_PIECES = ("piece", "passage", "code", "log")
_PAGES, _LONG = 1_450, 60
"""Documents, mail, chats and files of about a window, and of several, composed of the reference's own pieces."""


def held_back(reference: Reference) -> tuple[Reference, Sequence[str]]:
    """What synthesis may see of a reference, and the prompts that only the gate knows: one in ten, by their hash."""

    def secret(text: str) -> bool:
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=2).digest()[0] % _SECRET == 0

    shown = [text for text in reference.prompts if not secret(text)]
    return replace(reference, prompts=shown), [text for text in reference.prompts if secret(text)]


def shipped_reference(*, documents: bool = True) -> Reference:
    """The benign texts that the package ships: what is calibrated on, alone or beside a named reference.

    Without `documents` the short ones alone: they are embedded in a quarter of the time, and say nothing of what long
    honest texts score. None of them was shown to the encoder in training: what it was shown scores lower than users'
    texts do, and would say nothing of the rate at which honest users are blocked.
    """
    harmless = [a.text for a in corpus.answers() if a.label == "safe" and a.kind == "harmless"]
    samples = corpus.benign_reference()
    pieces = [sample.text for sample in samples if sample.form in _PIECES]
    chooser = random.Random(0)
    pages = compose(pieces, _PAGES, 400, 1_000, chooser) if documents else ()
    long = compose(pieces, _LONG, 1_500, 4_000, chooser) if documents else ()
    return Reference([*(sample.text for sample in samples), *pages, *long], harmless)


def load_references(names: Sequence[str]) -> Sequence[Dataset]:
    """Benign sets to calibrate on, by name or path. Raises `DataError` for one that is not there or not benign."""
    loaded = datasets.load_all(names)
    for dataset in loaded:
        harmful = next((r for r in dataset.records if r.label == "harmful"), None)
        if harmful is not None:
            raise DataError(
                f"data set {quoted(dataset.name)} holds harmful rows ({harmful.id}); a reference must be benign"
            )
    return loaded


def reference_of(named: Sequence[Dataset]) -> Reference:
    """What ships, and the prompts and recorded answers of benign sets."""
    shipped = shipped_reference()
    records = [r for d in named for r in d.records]
    responses = [r.response for r in records if r.response is not None]
    return Reference([*shipped.prompts, *(r.prompt for r in records)], [*shipped.responses, *responses])
