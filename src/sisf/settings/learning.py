"""How the loop judges, learns and works."""

from typing import Literal

from pydantic import Field, SecretStr

from sisf.settings.section import Section


class EmbedderSettings(Section):
    """Which embedder semantic policies use."""

    name: str = "minilm"
    """`minilm`, `minilm-fp32`, `folder:PATH`, `fastembed:NAME`, or `openai:MODEL@URL`."""
    api_key: SecretStr = SecretStr("")
    """For `openai:…`."""


class ModelEndpoint(Section):
    """An OpenAI-compatible chat model that SISF itself calls."""

    model: str
    """Its name at the endpoint."""
    base_url: str = ""
    """Empty: the provider's default, taken from the environment by the client library."""
    api_key: SecretStr = SecretStr("")
    """Empty: taken from the environment by the client library."""
    timeout: float = Field(30.0, gt=0)
    """Seconds for a whole call."""
    retries: int = Field(2, ge=0, le=10)
    """Further attempts after a failed call."""


class JudgeModel(ModelEndpoint):
    """The chat model that judges."""

    model: str = "gpt-4o"


class AuthorModel(ModelEndpoint):
    """The chat model that writes policies."""

    model: str = "gpt-4-turbo"


class GuardModel(ModelEndpoint):
    """A guard model served behind an OpenAI-compatible API."""

    model: str = "meta-llama/Llama-Guard-4-12B"
    dialect: Literal["auto", "llama-guard", "shieldgemma", "granite-guardian", "qwen3guard", "gpt-oss-safeguard"] = (
        "auto"
    )
    """Prompt and answer format; `auto` reads it off the model's name."""


class ModerationModel(ModelEndpoint):
    """An OpenAI-compatible `/moderations` endpoint."""

    model: str = "omni-moderation-latest"
    threshold: float = Field(0.5, gt=0, lt=1)
    """Category score from which an answer counts as harmful."""


class CallLimits(Section):
    """What the judge's model calls may take. Beyond it the next judge of `fallback` is asked."""

    concurrency: int = Field(8, ge=1, le=1024)
    """Calls at the same time."""
    per_minute: int | None = Field(None, ge=1)
    """Calls in any minute. Unset: no limit."""
    hour_usd: float | None = Field(None, ge=0)
    """Dollars in any hour, by the prices below. Unset: no limit."""
    day_usd: float | None = Field(None, ge=0)
    """Dollars in any day. Unset: no limit."""
    input_usd: float | None = Field(None, ge=0)
    """Price of a million prompt tokens. Unset: the list price of a known OpenAI model, else 0."""
    output_usd: float | None = Field(None, ge=0)
    """Price of a million answer tokens."""


JudgeName = Literal["local", "llm", "guard-model", "moderation"]


class Adjudication(Section):
    """Who judges, and when."""

    mode: Literal["async", "inline", "off"] = "async"
    """`async`: answers are released and judged after; `inline`: released once judged; `off`: recorded, never judged."""
    judge: Literal["auto", "local", "llm", "guard-model", "moderation", "ensemble"] = "auto"
    """`auto`: `llm` when a key or a base URL for it is there, else `local`."""
    llm: JudgeModel = JudgeModel()
    """The judge `llm`."""
    guard: GuardModel = GuardModel()
    """The judge `guard-model`."""
    moderation: ModerationModel = ModerationModel()
    """The judge `moderation`."""
    strictness: Literal["strict", "standard"] = "strict"
    """`strict`: a harmful request may only be refused; `standard`: the answer itself must be harmful."""
    members: tuple[JudgeName, ...] = ("local", "llm")
    """Who sits in the `ensemble`."""
    quorum: int | None = Field(None, ge=1)
    """Members that must agree. Unset: more than half of them."""
    fallback: tuple[JudgeName, ...] = ("local",)
    """Who is asked, in order, when the judge is undecided, has failed or is out of budget; after them, a person."""
    limits: CallLimits = CallLimits()
    """Of the judges that call a model."""
    cache_entries: int = Field(10_000, ge=0)
    """Verdicts of model judges that are remembered, so that the same exchange is paid for once."""
    on_undecided: Literal["withhold", "release"] = "withhold"
    """Inline mode: what happens to an answer that no judge could decide on."""
    timeout: float = Field(60.0, gt=0)
    """Inline mode: seconds that a verdict may take; then it is `undecided`."""


class Synthesis(Section):
    """Who writes policies."""

    synthesiser: Literal["auto", "local", "llm"] = "auto"
    """`auto`: `llm`, beside `local`, when a key or a base URL for it is there; else `local` alone."""
    llm: AuthorModel = AuthorModel()
    """The synthesiser `llm`."""
    autonomy: Literal["autonomous", "supervised", "observe"] = "autonomous"
    """What passes the gate becomes active (`autonomous`), a shadow (`observe`) or waits for a person (`supervised`)."""
    reference: tuple[str, ...] = ()
    """Benign data sets to calibrate on, by name or path, beside what ships."""
    answers: bool = False
    """Whether policies on answers are learned too. They need harmless answers of the protected model in the reference:
    without these they learn how that model writes, and block honest users."""
    seed: int = 0
    """Of everything random in it, so that a run can be repeated."""


class LifecycleSettings(Section):
    """How policies enter, age and leave."""

    broad_principals: int | None = Field(None, ge=1)
    """Distinct senders whose breaches must speak for a broad policy before it is enforced; a narrow one stands in
    meanwhile. Unset: 2 with `keys.file`, else 1, since without keys a second sender proves nothing."""
    demote_principals: int = Field(2, ge=1)
    """Distinct senders of whose stopped prompts the judge finds one harmless, with a Beta bound of the precision below
    one half, make a policy a shadow; one that a person activated is only marked for a person to look at."""
    promote_confirmations: int = Field(3, ge=1)
    """Distinct senders whose breaches a shadow must have recognised to become active."""
    decay_days: float = Field(90, gt=0)
    """A policy that matched nothing and was confirmed by nobody for so long retires."""
    active_limit: int = Field(2_000, ge=1)
    """Above this many active policies those of least use retire."""
    merge_after_hours: float = Field(24, ge=0)
    """Age at which a policy retires when others in force catch all that it was ever seen to catch."""
    breaker_principals: int = Field(5, ge=1)
    """Distinct words of persons on mistakes within `breaker_minutes`, or well-behaved senders that were stopped by
    mistake as the judge finds, that trip the breaker: nothing is then put in force by itself."""
    breaker_minutes: float = Field(60, gt=0)
    """The time that the breaker looks back."""
    breaker_rate: float = Field(0.25, gt=0, le=1)
    """Share of the senders that behave that may be stopped by mistake, as the judge finds, before the breaker trips:
    above the share of hostile senders that you expect."""
    triggers: int = Field(300, ge=1)
    """Breaches of one sender that may each start learning at once; then one in `trigger_seconds`. The others are
    learned from together with the next."""
    trigger_seconds: float = Field(15.0, gt=0)
    """Seconds after which a sender may start learning again."""


class LoopSettings(Section):
    """The durable work of the loop."""

    workers: int = Field(1, ge=0, le=64)
    """Threads that work in the gateway process; 0 leaves the work to `sisf worker`."""
    attempts: int = Field(5, ge=1)
    """Tries of a stage, after which the work waits for `sisf breach retry`."""
    lease_seconds: float = Field(4.0, ge=1)
    """Seconds after which the work of a worker that died is taken over; one that lives renews in a quarter of them."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where `sisf worker` serves its Prometheus metrics, at `listen.host`; 0: nowhere."""
