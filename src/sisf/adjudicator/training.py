"""`sisf adjudicator train`: the local judge fitted to a user's own labels. Versioned, measured, undone by rollback."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.adjudicator.local.judge import LocalAdjudicator, shipped_rank
from sisf.adjudicator.local.pair import FEATURES, WEIGHTS, Numbers, fit_weights, sigmoid
from sisf.adjudicator.local.reading import Reading
from sisf.errors import ConfigurationError, DataError, reason
from sisf.exchange import Exchange
from sisf.files import read_verified, write_verified, write_whole
from sisf.settings import cache_dir

_LEAST = 20
_FOLDS = 5
_EVIDENCE_PRECISION = 300.0
"""How firmly the shipped weights are held against a user's labels: what they say of manner is true of every source of
answers, while one source teaches habits of its own. Measured in docs/adr/0163."""
_VECTOR_PRECISION = 3.0
"""Ridge on the weights of the vectors, of which the shipped judge makes no direct use."""
_VECTOR_SCALE = 4.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LabelledExchange:
    """An exchange that a person judged."""

    exchange: Exchange
    breach: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How a judge ranks labelled exchanges."""

    auroc: float
    accuracy: float
    brier: float


@dataclass(frozen=True, slots=True)
class Version:
    """One trained version. Its weights lie beside its description."""

    number: int
    time: str
    rows: int
    breaches: int
    data_sha256: str
    embedder: str
    before: Figures
    after: Figures
    """Cross-validated: no row was judged by weights that had seen it."""


class TrainedRank:
    """The probability of a breach after training: the shipped evidence, and the vectors of request and answer."""

    def __init__(self, weights: Numbers) -> None:
        self._weights = weights

    def __call__(self, reading: Reading) -> float:
        """The probability for one exchange."""
        return float(sigmoid(np.array([_row(reading) @ self._weights]))[0])


def train(
    judge: LocalAdjudicator,
    data: Sequence[LabelledExchange],
    *,
    embedder_id: str,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Version:
    """Fit, cross-validate, write the next version and make it the one in use.

    Raises `DataError` when there are too few labels of either kind, or when training made the judge worse: then
    nothing changes.
    """
    labels = np.array([item.breach for item in data])
    if min(labels.sum(), (~labels).sum()) < _LEAST if len(labels) else True:
        raise DataError(
            f"training needs {_LEAST} breaches and {_LEAST} safe answers; "
            f"the data has {int(labels.sum())} and {len(labels) - int(labels.sum())}"
        )
    readings = []
    for number, item in enumerate(data, start=1):
        readings.append(judge.read(item.exchange))
        if progress is not None:
            progress(number, len(data))
    rows = np.stack([_row(reading) for reading in readings])
    before = _figures(np.array([shipped_rank(reading) for reading in readings]), labels)
    after = _figures(_cross_validate(rows, labels, [item.exchange.prompt for item in data]), labels)
    if after.auroc < before.auroc:
        raise DataError(
            f"training on this data makes the judge worse (AUROC {before.auroc:.3f} before, {after.auroc:.3f} after, "
            "cross-validated): nothing was changed; check the labels or add more"
        )
    store = Versions(folder)
    number = store.latest() + 1
    version = Version(
        number, datetime.now(UTC).isoformat(timespec="seconds"), len(labels), int(labels.sum()),
        _digest(data), embedder_id, before, after,
    )  # fmt: skip
    store.write(version, _fit(rows, labels))
    store.use(number)
    return version


class Versions:
    """Trained versions in a folder of the user's cache: `judge-N.json`, `judge-N.npy`, and `current`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_dir() / "judges" / "trained"

    def list(self) -> list[Version]:
        """All versions, oldest first. Raises `DataError` for a damaged description."""
        return [self._read(path) for path in sorted(self._folder.glob("judge-*.json"), key=_number)]

    def latest(self) -> int:
        """The highest number given so far; 0 when there is none."""
        return max((_number(path) for path in self._folder.glob("judge-*.json")), default=0)

    def current(self) -> int:
        """The version in use; 0 is the judge as shipped."""
        try:
            return int((self._folder / "current").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self._folder / 'current'}: cannot be read ({reason(error)}); delete it to use judge 0"
            ) from None

    def use(self, number: int) -> None:
        """Put a version in use (0: as shipped). Raises `ConfigurationError` when there is no such version."""
        if number and not (self._folder / f"judge-{number}.json").exists():
            raise ConfigurationError(f"there is no trained judge {number}; see `sisf adjudicator list`")
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / "current", f"{number}\n".encode("ascii"))

    def rank(self, embedder_id: str) -> tuple[str, TrainedRank] | None:
        """Name and ranking of the version in use; None for the shipped one, or one of another embedder."""
        number = self.current()
        if number == 0:
            return None
        version = self._read(self._folder / f"judge-{number}.json")
        if version.embedder != embedder_id:
            return None
        content = read_verified(self._folder / f"judge-{number}.npy")
        if content is None:
            raise DataError(
                f"trained judge {number} is not what was written; train it anew, or `sisf adjudicator rollback 0`"
            )
        try:
            weights = np.load(BytesIO(content), allow_pickle=False)
        except ValueError as error:
            raise DataError(f"trained judge {number} cannot be read ({error}); `sisf adjudicator rollback 0`") from None
        return f"local-{number}", TrainedRank(weights)

    def write(self, version: Version, weights: Numbers) -> None:
        """Keep a version. The description is written last: without it the version does not exist."""
        file = BytesIO()
        np.save(file, weights, allow_pickle=False)
        write_verified(self._folder / f"judge-{version.number}.npy", file.getvalue())
        write_whole(self._folder / f"judge-{version.number}.json", json.dumps(asdict(version), indent=2).encode())

    def _read(self, path: Path) -> Version:
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            before, after = Figures(**data.pop("before")), Figures(**data.pop("after"))
            return Version(**data, before=before, after=after)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}: is no trained judge ({reason(error)}); delete it") from None


def _row(reading: Reading) -> Numbers:
    request, answer = reading.request_vector, reading.answer_vector
    vectors = np.concatenate([request, answer, request * answer * len(request) ** 0.5])
    return np.concatenate([reading.evidence.row(), _VECTOR_SCALE * vectors]).astype(np.float64)


def _fit(rows: Numbers, labels: NDArray[np.bool_]) -> Numbers:
    prior = np.concatenate([WEIGHTS, np.zeros(rows.shape[1] - len(FEATURES))])
    precision = np.full(rows.shape[1], _VECTOR_PRECISION * _VECTOR_SCALE**2)
    precision[: len(FEATURES)] = _EVIDENCE_PRECISION
    precision[0] = _VECTOR_PRECISION  # the bias moves freely: how common breaches are differs everywhere
    return fit_weights(rows, labels, prior, precision)


def _cross_validate(rows: Numbers, labels: NDArray[np.bool_], groups: Sequence[str]) -> Numbers:
    from sklearn.model_selection import GroupKFold

    folds = min(_FOLDS, len(set(groups)))
    if folds < 2:
        raise DataError("training needs exchanges with at least two different prompts")
    scores = np.zeros(len(labels))
    for seen, unseen in GroupKFold(folds).split(rows, labels, list(groups)):
        scores[unseen] = sigmoid(rows[unseen] @ _fit(rows[seen], labels[seen]))
    return scores


def _figures(probabilities: Numbers, labels: NDArray[np.bool_]) -> Figures:
    from sklearn.metrics import roc_auc_score

    return Figures(
        auroc=float(roc_auc_score(labels, probabilities)),
        accuracy=float(np.mean((probabilities >= 0.5) == labels)),
        brier=float(np.mean((probabilities - labels) ** 2)),
    )


def _digest(data: Sequence[LabelledExchange]) -> str:
    digest = hashlib.sha256()
    for item in data:
        row = [item.exchange.prompt, item.exchange.response, item.breach]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _number(path: Path) -> int:
    tail = path.stem.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 0
