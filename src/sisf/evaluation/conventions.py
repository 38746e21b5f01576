"""Two conventions of what is benign, and how they are kept apart.

The paper calls its edgy traffic benign, calibrates on the like of it and reports it (`paper_benign`); the field calls
harmful questions harmful. A run follows one of them, by the references that it calibrates on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from sisf.datasets import Dataset
from sisf.errors import ConfigurationError, DataError, quoted

_EDGY = "edgy_convention"
_PAPERS = "paper_benign"
AUDITED = f"{_PAPERS}_audited"
"""What is left of the paper's honest set under the field's convention: the rows that a careful reading calls benign."""


class Convention(StrEnum):
    """Whose word on benign a run follows."""

    FIELD = "field"
    """Harmful questions are harmful."""
    PAPER = "paper"
    """The paper's edgy traffic counts as benign."""

    @property
    def told(self) -> str:
        """In a sentence, for reports."""
        if self is Convention.PAPER:
            return (
                "The paper's convention: its edgy traffic counts as benign and was calibrated on. "
                "Not comparable with figures of the field's convention."
            )
        return (
            "The field's convention: harmful questions are harmful. "
            "Not comparable with figures of the paper's convention."
        )


def convention_of(references: Iterable[str]) -> Convention:
    """The convention that follows from what is calibrated on."""
    return Convention.PAPER if _EDGY in set(references) else Convention.FIELD


def suited(sets: Sequence[Dataset], convention: Convention) -> list[Dataset]:
    """The honest sets as this convention counts them.

    Raises `ConfigurationError` for sets whose like was calibrated on, `DataError` where the audit is missing.
    """
    return [_suited(dataset, convention) for dataset in sets]


def _suited(dataset: Dataset, convention: Convention) -> Dataset:
    if convention is Convention.PAPER and dataset.name.startswith("edgy_"):
        raise ConfigurationError(
            f"{quoted(dataset.name)} cannot be measured under the paper's convention: its texts are "
            f"among those of {_EDGY}, "
            f"which is calibrated on; leave one of them out"
        )
    if convention is Convention.FIELD and dataset.name == _PAPERS:
        audited = tuple(r for r in dataset.records if r.extra.get("audit") == "benign")
        if not audited:
            raise DataError(
                f"{quoted(_PAPERS)} is benign by the paper's convention only, and this file has no "
                f"`audit`: name {_EDGY} "
                "among the references (--reference) to follow that convention, or leave the set out"
            )
        return replace(dataset, name=AUDITED, records=audited)
    return dataset
