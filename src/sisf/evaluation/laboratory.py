"""From options to an experiment: the model, the judges, the reference, and the designs that are compared."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sisf import datasets
from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.recorded import RecordedAdjudicator
from sisf.bootstrap import System
from sisf.datasets import Dataset
from sisf.datasets.records import Record, exchange_id
from sisf.embedding import Embedder, configured_embedder
from sisf.embedding.kept import KeptEmbedder
from sisf.errors import ConfigurationError, quoted
from sisf.evaluation import defences
from sisf.evaluation.answers import Answers
from sisf.evaluation.conventions import convention_of
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Designs, Setup
from sisf.evaluation.guards import Behind, EndpointGuard, Guard, JudgingGuard, KeywordGuard
from sisf.evaluation.runs.calls import Calls, CountedJudge, CountedModel
from sisf.evaluation.under_test import Mode
from sisf.llm.base import ChatModel
from sisf.loop.benign_reference import load_references, reference_of
from sisf.settings import Settings, load, wish

BASELINES = ("none", "keyword-filter", "paper-warden")
GUARDS = ("keyword-filter", "guard-model", "moderation")
"""Guards by name; the base URL of a guarded endpoint is one, too."""
ELSEWHERE = ("llm", "guard-model", "moderation", "ensemble", "auto")
"""Judges that may ask somebody else, and cost what they take."""
_CONFIGURATIONS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Options:
    """What the person who runs an experiment chose."""

    model: str = "recorded"
    """`recorded`, `unaligned`, or the base URL of an OpenAI-compatible API, with `#NAME` for the model's name."""
    adjudicator: str = "recorded"
    """`recorded`, or a judge that `adjudication.judge` knows."""
    labels: str = "recorded"
    """Who judges released answers for the system ASR: `recorded` or a judge, independent of the loop's."""
    synthesiser: str = "local"
    answers: bool = False
    """Whether policies on answers are learned: only where harmless answers of the same models are in the reference."""
    mode: Mode = "async"
    baselines: Sequence[str] = BASELINES
    trials: int = 5
    seed: int = 0
    reference: Sequence[str] = field(default=())
    """Benign sets to calibrate on; empty: every `*_reference` set at hand, else the shipped one."""


class Laboratory:
    """Builds setups and designs. One embedder, with its vectors kept, serves all trials and designs."""

    def __init__(
        self, settings: Settings, options: Options, data: Sequence[Dataset], calls: Calls | None = None
    ) -> None:
        self.settings = settings
        self.options = options
        self.calls = calls or Calls()
        unknown = [b for b in options.baselines if not (b in (*BASELINES, *GUARDS) or is_url(b) or _is_file(b))]
        if unknown:
            raise ConfigurationError(
                f"--baselines: there is no {quoted(unknown[0])}; choose from {', '.join((*BASELINES, *GUARDS[1:]))}, "
                "the base URL of a guarded endpoint, or another configuration (FILE.yaml)"
            )
        self._frozen: Embedder | None = None
        self._rows = [row_of(dataset.name, record) for dataset in data for record in dataset.records]
        self._judge = self._adjudicator(options.adjudicator)

    @cached_property
    def references(self) -> Sequence[Dataset]:
        """The benign sets to calibrate on."""
        return load_references(references_of(self.options))

    @cached_property
    def embedder(self) -> Embedder:
        """The one that all trials and designs share."""
        return KeptEmbedder(configured_embedder(self.settings.embedder))

    def setup(self) -> Setup:
        """What all designs share."""
        options = self.options
        return Setup(
            answers=Answers(self.model(options.model), replay=options.model == "recorded"),
            judge=None if options.mode == "async" else self._judge,
            mode=options.mode,
            independent=None if options.labels == "recorded" else self._adjudicator(options.labels),
            trials=options.trials,
            seed=options.seed,
            on_undecided=self.settings.adjudication.on_undecided,
            calls=self.calls,
        )

    def designs(self) -> Designs:
        """The system under test first, then the baselines, each made afresh for every trial."""
        return {SYSTEM: defences.learning(self.system)} | {name: self._baseline(name) for name in self._baselines()}

    def _baselines(self) -> Sequence[str]:
        """The usual ones in their usual order, then the others as they were named."""
        chosen = self.options.baselines
        return [*(b for b in BASELINES if b in chosen), *(b for b in dict.fromkeys(chosen) if b not in BASELINES)]

    def _baseline(self, name: str) -> Callable[[], Defence]:
        if _is_file(name):
            return defences.learning(self.varied(load(Path(name))).system)
        makers: dict[str, Callable[[], Defence]] = {
            "none": defences.no_defence,
            "keyword-filter": defences.keyword_filter,
            "paper-warden": defences.learning(self._paper),
        }
        if name in makers:
            return makers[name]
        guard = self.guard(name)
        return lambda: Behind(guard, defences.no_defence())

    def guard(self, name: str) -> Guard:
        """Another guard, by name or by the base URL of a guarded endpoint. Raises `ConfigurationError`."""
        if is_url(name):
            return EndpointGuard(name, self.calls)
        if name == "keyword-filter":
            return KeywordGuard()
        if name not in GUARDS:
            raise ConfigurationError(
                f"there is no guard {quoted(name)}; choose from {', '.join(GUARDS)}, or give a "
                f"guarded endpoint's base URL"
            )
        return JudgingGuard(name, self._adjudicator(name))

    def model(self, name: str) -> ChatModel:
        """See `chat_model`. A model elsewhere is asked once for each prompt, in the whole run."""
        made = chat_model(name)
        return CountedModel(made, self.calls) if is_url(name) else made

    def system(self, folder: Path, **parts: Any) -> System:
        """The system under test with its store in `folder`; `parts` of `bootstrap.build` take the place of its own."""
        from sisf.bootstrap import build

        settings = overridden(
            self.settings,
            {
                "store.url": f"sqlite:///{folder / 'experiment.db'}",
                "loop.workers": 0,
                "synthesis.synthesiser": self.options.synthesiser,
                "synthesis.answers": self.options.answers or self.settings.synthesis.answers,
                "mode": "enforce",
                "adjudication.mode": self.options.mode,
            },
        )
        return build(settings, **(self._own() | parts))

    def _own(self) -> dict[str, Any]:
        """The parts that all systems of this laboratory share."""
        return {
            "embedder": self.embedder,
            "adjudicator": self._judge,
            "reference": reference_of(self.references),
        }

    def varied(self, settings: Settings, **options: Any) -> "Laboratory":
        """Another configuration of SISF: its own settings, on the same judge, reference and embedder's vectors."""
        other = copy.copy(self)
        other.settings, other.options = settings, replace(self.options, **options)
        other.references = self.references
        other.embedder = (
            self.embedder
            if settings.embedder == self.settings.embedder
            else KeptEmbedder(configured_embedder(settings.embedder))
        )
        return other

    def described(self) -> dict[str, Any]:
        """The settings that matter for the figures, for `summary.json`."""
        options = self.options
        return {
            "model": options.model,
            "adjudicator": options.adjudicator,
            "labels": options.labels,
            "labels_independent": options.labels != options.adjudicator,
            "synthesiser": options.synthesiser,
            "mode": options.mode,
            "baselines": list(options.baselines),
            "embedder": self.embedder.id,
            "reference": [d.name for d in self.references],
            "convention": convention_of(d.name for d in self.references).value,
            "autonomy": self.settings.synthesis.autonomy,
            "synthesis_seed": self.settings.synthesis.seed,
        }

    def _paper(self, folder: Path) -> System:
        from sisf.synthesis.paper import OpenGate, PaperSynthesiser

        published = self._published()
        return self.system(folder, embedder=published, synthesiser=PaperSynthesiser(published), gate=OpenGate())

    def _published(self) -> Embedder:
        """The paper's embedder: all-MiniLM-L6-v2 as published."""
        from sisf.embedding import create_embedder

        if self._frozen is None:
            self._frozen = KeptEmbedder(create_embedder("minilm"))
        return self._frozen

    def _adjudicator(self, name: str) -> Adjudicator:
        if name == "recorded":
            return RecordedAdjudicator(self._rows)
        from sisf.adjudicator.factory import create_adjudicator

        try:
            settings = overridden(self.settings, {"adjudication.judge": name})
        except ConfigurationError as error:
            wanted = str(error).rpartition("must be ")[2]
            raise ConfigurationError(f"there is no judge {quoted(name)}: it must be `recorded`, {wanted}") from None
        judge = create_adjudicator(settings.adjudication, embedder=self.embedder)
        return CountedJudge(judge, self.calls) if name in ELSEWHERE else judge


def is_url(name: str) -> bool:
    """Whether a model or a guard is named by its address."""
    return name.startswith(("http://", "https://"))


def _is_file(name: str) -> bool:
    return name.endswith(_CONFIGURATIONS)


def references_of(options: Options) -> Sequence[str]:
    """The benign sets to calibrate on: those named, else every reference set on this machine."""
    return options.reference or [name for name in datasets.local_names() if name.endswith("_reference")]


def chat_model(name: str) -> ChatModel:
    """The model to protect. `recorded` replays what records hold; what they lack, `unaligned` answers."""
    from sisf.llm.unaligned import UnalignedModel

    if name in ("recorded", "unaligned"):
        return UnalignedModel()
    if not is_url(name):
        raise ConfigurationError(
            f"--model {name}: must be `recorded`, `unaligned` or the base URL of an OpenAI-compatible API "
            "(http://HOST:PORT/v1, with #NAME for the model's name)"
        )
    from sisf.llm.client import OpenAIChatModel
    from sisf.settings import ModelEndpoint

    url, _, model = name.partition("#")
    return OpenAIChatModel(ModelEndpoint(model=model or "default", base_url=url))


def overridden(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with dotted keys replaced, validated again. Raises `ConfigurationError`."""
    from pydantic import ValidationError

    data = {name: getattr(settings, name) for name in type(settings).model_fields}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        if not section:
            data[name] = value
            continue
        old = data[section]
        data[section] = {n: getattr(old, n) for n in type(old).model_fields} | {name: value}
        try:
            data[section] = type(old).model_validate(data[section])
        except ValidationError as error:
            raise ConfigurationError(f"{quoted(key)}: {wish(error.errors()[0])}") from None
    return type(settings).model_validate(data)


def row_of(dataset: str, record: Record) -> dict[str, Any]:
    """A record in the form that the recorded judge reads."""
    row: dict[str, Any] = {"text": record.prompt, "label": record.label, "human_label": record.human_label}
    row |= {"category": record.category, "attack": record.attack, "response": record.response}
    row["id"] = exchange_id(dataset, record.id)
    if "broke_model" in record.extra:
        row["broke_model"] = record.extra["broke_model"]
    return row
