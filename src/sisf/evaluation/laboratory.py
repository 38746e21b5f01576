"""From options to an experiment: the model, the judges, the reference, and the designs that are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sisf import datasets
from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.recorded import RecordedAdjudicator
from sisf.bootstrap import System
from sisf.datasets import Dataset
from sisf.datasets.records import Record, exchange_id
from sisf.embedding import Embedder
from sisf.embedding.kept import KeptEmbedder
from sisf.errors import ConfigurationError
from sisf.evaluation import defences
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Designs, Setup
from sisf.evaluation.under_test import Answers
from sisf.llm.base import ChatModel
from sisf.loop.benign_reference import load_references, reference_of
from sisf.settings import Settings

BASELINES = ("none", "keyword-filter", "paper-warden")


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
    mode: Literal["async", "inline"] = "async"
    baselines: Sequence[str] = BASELINES
    trials: int = 5
    seed: int = 0
    reference: Sequence[str] = field(default=())
    """Benign sets to calibrate on; empty: every `*_reference` set at hand, else the shipped one."""


class Laboratory:
    """Builds setups and designs. One embedder, with its vectors kept, serves all trials and designs."""

    def __init__(self, settings: Settings, options: Options, data: Sequence[Dataset]) -> None:
        from sisf.embedding import create_embedder

        self.settings = settings
        self.options = options
        unknown = [b for b in options.baselines if b not in BASELINES]
        if unknown:
            raise ConfigurationError(f"--baselines: there is no {unknown[0]!r}; choose from {', '.join(BASELINES)}")
        self.references = load_references(options.reference or _at_hand())
        spec = settings.embedder
        self.embedder: Embedder = KeptEmbedder(create_embedder(spec.name, api_key=spec.api_key.get_secret_value()))
        self._frozen: Embedder | None = None
        self._rows = [row_of(dataset.name, record) for dataset in data for record in dataset.records]
        self._judge = self._adjudicator(options.adjudicator)

    def setup(self) -> Setup:
        """What all designs share."""
        options = self.options
        return Setup(
            answers=Answers(chat_model(options.model), replay=options.model == "recorded"),
            inline=self._judge if options.mode == "inline" else None,
            independent=None if options.labels == "recorded" else self._adjudicator(options.labels),
            trials=options.trials,
            seed=options.seed,
            on_undecided=self.settings.adjudication.on_undecided,
        )

    def designs(self) -> Designs:
        """The system under test first, then the baselines, each made afresh for every trial."""
        makers: dict[str, Callable[[], Defence]] = {
            SYSTEM: defences.learning(self.system),
            "none": defences.no_defence,
            "keyword-filter": defences.keyword_filter,
            "paper-warden": defences.learning(self._paper),
        }
        return {name: makers[name] for name in (SYSTEM, *BASELINES) if name == SYSTEM or name in self.options.baselines}

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
            },
        )
        own: dict[str, Any] = {
            "embedder": self.embedder,
            "adjudicator": self._judge,
            "reference": reference_of(self.references),
        }
        return build(settings, **(own | parts))

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

        settings = overridden(self.settings, {"adjudication.judge": name})
        return create_adjudicator(settings.adjudication)


def _at_hand() -> Sequence[str]:
    """Every reference set on this machine."""
    return [name for name in datasets.local_names() if name.endswith("_reference")]


def chat_model(name: str) -> ChatModel:
    """The model to protect. `recorded` replays what records hold; what they lack, `unaligned` answers."""
    from sisf.llm.unaligned import UnalignedModel

    if name in ("recorded", "unaligned"):
        return UnalignedModel()
    if not name.startswith(("http://", "https://")):
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
            raise ConfigurationError(f"`{key}`: {error.errors()[0]['msg']}") from None
    return type(settings).model_validate(data)


def row_of(dataset: str, record: Record) -> dict[str, Any]:
    """A record in the form that the recorded judge reads."""
    row: dict[str, Any] = {"text": record.prompt, "label": record.label, "human_label": record.human_label}
    row |= {"category": record.category, "attack": record.attack, "response": record.response}
    row["id"] = exchange_id(dataset, record.id)
    if "broke_model" in record.extra:
        row["broke_model"] = record.extra["broke_model"]
    return row
