"""How the loop judges, learns and works."""

from typing import Literal

from pydantic import Field, SecretStr

from sisf.settings.section import Section


class EmbedderSettings(Section):
    """Which embedder semantic policies use."""

    name: str = "harm-aware"
    """`harm-aware`, `harm-aware-fp32`, `minilm`, `minilm-fp32`, `folder:PATH`, `fastembed:NAME`, or
    `openai:MODEL@URL`."""
    api_key: SecretStr = SecretStr("")
    """The API key for `openai:…`."""
    rebuild: bool = True
    """Whether `sisf serve` moves stored policies that were made for another embedder, as after an upgrade, before it
    listens. Otherwise it does not start until `sisf policy rebuild` has done so."""


class ModelEndpoint(Section):
    """An OpenAI-compatible chat model that SISF itself calls."""

    model: str
    """The model's name at the endpoint."""
    base_url: str = ""
    """Base URL of the API. Empty: the client library's default, or what its environment variables say."""
    api_key: SecretStr = SecretStr("")
    """The API key. Empty: the client library reads it from its environment variable."""
    timeout: float = Field(30.0, gt=0)
    """Timeout of one call, in seconds."""
    retries: int = Field(2, ge=0, le=10)
    """How often a failed call is repeated."""


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
    """The format of prompt and answer. `auto` chooses it by the model's name."""


class ModerationModel(ModelEndpoint):
    """An OpenAI-compatible `/moderations` endpoint."""

    model: str = "omni-moderation-latest"
    threshold: float = Field(0.5, gt=0, lt=1)
    """An answer counts as harmful when a category's score is at least this."""


class ImageModeration(ModerationModel):
    """A `/moderations` endpoint that reads images, asked about those in prompts before they are forwarded."""

    enabled: bool = False
    """Whether it is asked. Then images that stand in a request itself (data URLs, base64) pass if it finds nothing in
    them; those that are only named by a URL or an id stay what `on_failure.uninspectable` says of images."""
    timeout: float = Field(10.0, gt=0)
    """How many seconds one image may take. After that, `on_failure.uninspectable` says what happens."""
    retries: int = Field(1, ge=0, le=10)
    """How often a failed call is repeated."""
    images: int = Field(32, ge=1)
    """The maximum number of images in a request."""


class CallLimits(Section):
    """Limits on the model calls of a judge. Above a limit, the next judge of `fallback` is asked."""

    concurrency: int = Field(8, ge=1, le=1024)
    """The maximum number of calls at the same time."""
    per_minute: int | None = Field(None, ge=1)
    """The maximum number of calls per minute. Unset: no limit."""
    hour_usd: float | None = Field(None, ge=0)
    """The maximum cost per hour in US dollars, at the prices below. Unset: no limit."""
    day_usd: float | None = Field(None, ge=0)
    """The maximum cost per day in US dollars. Unset: no limit."""
    input_usd: float | None = Field(None, ge=0)
    """Price of one million prompt tokens in US dollars. Unset: the list price of a known OpenAI model, otherwise 0."""
    output_usd: float | None = Field(None, ge=0)
    """Price of one million answer tokens in US dollars. Unset: the list price of a known OpenAI model, otherwise 0."""


JudgeName = Literal["local", "llm", "guard-model", "moderation"]


class Adjudication(Section):
    """Who judges, and when."""

    mode: Literal["async", "doubtful", "inline", "off"] = "async"
    """`async`: an answer is released at once and judged afterwards. `inline`: an answer is released only after the
    verdict. `doubtful`: as `inline` where request or answer come near to a semantic policy without being stopped by it,
    as `async` elsewhere. `off`: exchanges are recorded and never judged."""
    doubt: float = Field(2.0, gt=0, le=10)
    """How near is doubtful, in steps of caution: 1.25 in the log-odds of a probe, 0.02 in the cosine of prototypes.
    With 2, some four in a thousand ordinary requests wait for a verdict."""
    judge: Literal["auto", "local", "llm", "guard-model", "moderation", "ensemble"] = "auto"
    """Which judge decides. `auto` is `llm` when an API key or a base URL is configured for it, otherwise `local`."""
    llm: JudgeModel = JudgeModel()
    """Settings of the judge `llm`."""
    guard: GuardModel = GuardModel()
    """Settings of the judge `guard-model`."""
    moderation: ModerationModel = ModerationModel()
    """Settings of the judge `moderation`."""
    strictness: Literal["strict", "standard"] = "strict"
    """`strict`: the answer to a harmful request is safe only if it refuses; the local judge leaves one that plainly
    reads harmless to a person. `standard`: the answer itself must be harmful to count as a breach."""
    members: tuple[JudgeName, ...] = ("local", "llm")
    """The members of the judge `ensemble`."""
    quorum: int | None = Field(None, ge=1)
    """How many members of the ensemble must agree. Unset: more than half of them."""
    fallback: tuple[JudgeName, ...] = ("local",)
    """Judges that are asked, in this order, when the first judge is undecided, has failed or has used up its budget. If
    none of them decides, the exchange waits for a person."""
    limits: CallLimits = CallLimits()
    """Limits for the judges that call a model."""
    on_undecided: Literal["withhold", "release"] = "withhold"
    """What happens to an answer that waits for a verdict (`inline`, `doubtful`) when no judge could decide on it. The
    local judge often cannot where answers wait in doubt: let it `release` them there."""
    timeout: float = Field(60.0, gt=0)
    """How many seconds a verdict may take for which an answer waits. After that it is `undecided`."""

    @property
    def band(self) -> float:
        """`doubt` where answers wait in doubt; 0 where nobody asks for it."""
        return self.doubt if self.mode == "doubtful" else 0.0


class Synthesis(Section):
    """Who writes policies."""

    synthesiser: Literal["auto", "local", "llm"] = "auto"
    """Which synthesiser writes policies. `auto` uses `llm` together with `local` when an API key or a base URL is
    configured for it, otherwise `local` alone."""
    llm: AuthorModel = AuthorModel()
    """Settings of the synthesiser `llm`."""
    autonomy: Literal["autonomous", "supervised", "observe"] = "autonomous"
    """What happens to a policy that passes the gate. `autonomous`: it becomes active. `observe`: it becomes a shadow.
    `supervised`: it waits for a person."""
    reference: tuple[str, ...] = ()
    """Benign data sets that policies are calibrated on, by name or path, in addition to the reference that ships with
    the package."""
    answers: bool = False
    """Whether policies on answers are learned as well as policies on prompts. This needs harmless answers of the
    protected model in the reference: without them, such a policy learns how the model writes and blocks honest
    users."""
    seed: int = 0
    """The seed of all random choices in synthesis. The same seed gives the same policies for the same breaches."""


class LifecycleSettings(Section):
    """How policies enter, age and leave."""

    broad_principals: int | None = Field(None, ge=1)
    """How many distinct senders must have caused breaches before a broad policy is enforced. Until then, a narrow
    policy is enforced in its place. Unset: 2 when `keys.file` is set, otherwise 1, because without API keys a second
    sender proves nothing."""
    demote_principals: int = Field(2, ge=1)
    """Distinct senders of whose stopped prompts the judge finds one harmless, with a Beta bound of the precision below
    one half, make a policy a shadow; one that a person activated is only marked for a person to look at."""
    promote_confirmations: int = Field(3, ge=1)
    """A shadow becomes active when it has recognised breaches of this many distinct senders."""
    decay_days: float = Field(90, gt=0)
    """A policy retires when for this many days it has matched nothing and nobody has confirmed it."""
    active_limit: int = Field(2_000, ge=1)
    """The maximum number of active policies, and of shadows. Above it, the least used policies retire."""
    breaker_principals: int = Field(5, ge=1)
    """Distinct words of persons on mistakes within an hour, or well-behaved senders that were stopped by mistake as the
    judge finds, that trip the breaker: nothing is then put in force by itself."""
    breaker_rate: float = Field(0.25, gt=0, le=1)
    """Share of the senders that behave that may be stopped by mistake, as the judge finds, before the breaker trips:
    above the share of hostile senders that you expect."""
    triggers: int = Field(300, ge=1)
    """How many breaches of one sender may each start learning immediately. After that, one breach in 15 seconds does;
    the others are learned from together with it."""


class LoopSettings(Section):
    """The durable work of the loop."""

    workers: int = Field(1, ge=0, le=64)
    """The number of worker threads in the gateway process. With 0, only `sisf worker` processes do the work."""
    prepare: bool = True
    """Whether a process that learns prepares its judge and embeds what ships in the background when it starts: some 10
    seconds of one core, a minute at the very first start (or in `sisf prepare`). Otherwise the first breach waits."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """The port on `listen.host` where `sisf worker` serves Prometheus metrics. 0: metrics are not served."""


class AttackerModel(ModelEndpoint):
    """The chat model that rewrites attacks which were stopped."""

    model: str = ""
    """Empty: none; attacks are composed from the families alone."""


class ProbeSettings(Section):
    """The probing agent, which attacks this gateway before others do."""

    enabled: bool = False
    """Whether `sisf serve` probes by itself. Of several gateways at one store let one do it."""
    key: SecretStr = SecretStr("")
    """By which the gateway knows the agent. Empty: one that is kept in the cache folder of this machine's user, for
    `sisf probe` and `sisf serve` alike. A key of role `probe` (`sisf key create`) is as good."""
    model: str = "default"
    """Name of the model to ask for."""
    budget: int = Field(200, ge=1)
    """Probes of one round."""
    per_minute: int = Field(60, ge=0)
    """Probes a minute; 0 sets no limit."""
    every_minutes: float = Field(1_440.0, ge=0)
    """From the start of a round to the start of the next; 0: without a pause."""
    families: tuple[str, ...] = ()
    """Files of attack families beside those that ship, TOML."""
    attacker: AttackerModel = AttackerModel()
    """The chat model that rewrites attacks which were stopped."""
    seed: int | None = None
    """Of the choices. Unset: each round chooses anew."""
