"""One configuration: `sisf.yaml`, every key also as `SISF_…` environment variable. Validated before anything starts.

Precedence: command-line options, environment, file, defaults. `SISF_LISTEN__PORT=9000` sets `listen.port`.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from sisf.errors import ConfigurationError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")
_PREFIX = "SISF_"
_NOT_SETTINGS = {"SISF_DATA_DIR", "SISF_CACHE_DIR", "SISF_CONFIG", "SISF_TEST_POSTGRES"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Section):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    """Address to bind; `0.0.0.0` for all."""
    port: int = Field(8400, ge=0, le=65535)
    """0 takes a free one, which is shown at the start."""


ConsoleRole = Literal["viewer", "operator", "admin"]


class Oidc(_Section):
    """Signing in to the console at an OpenID Connect provider."""

    issuer: str = ""
    """Its name, an address such as `https://login.example.com/realms/main`. Empty: no such sign-in."""
    client_id: str = ""
    """What the provider knows the console as; its redirect address is `admin.url` with `/oidc/callback`."""
    client_secret: SecretStr = SecretStr("")
    """Empty for a public client."""
    client_secret_file: str = ""
    """Where the secret is kept, in place of `client_secret`; read at the start."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """What is asked of the provider."""
    name_claim: str = "preferred_username"
    """Claim that names a person in the audit log; without it `email`, then `sub`."""
    role_claim: str = "groups"
    """Claim that says what a person may do; a dot leads into an object, as in `realm_access.roles`."""
    roles: dict[str, ConsoleRole] = {}
    """Values of that claim to `viewer`, `operator` or `admin`. The strongest one counts."""
    default_role: Literal["none", "viewer", "operator", "admin"] = "none"
    """Of everyone else whom the provider lets in."""
    ca_file: str = ""
    """Certificates to trust in place of the system's, PEM."""


class Admin(_Section):
    """The listener of the oversight console; never the one that clients reach."""

    enabled: bool = True
    """Whether the console is served at all."""
    host: str = "127.0.0.1"
    """Address to bind."""
    port: int = Field(8401, ge=0, le=65535)
    """0 takes a free one, which is shown at the start."""
    token: SecretStr = SecretStr("")
    """What opens the console, as admin. Empty: without `oidc` a new one is made at each start and shown there."""
    url: str = ""
    """The address at which people reach the console, e.g. `https://sisf.example.com`. With https, cookies need it."""
    session_minutes: float = Field(480.0, gt=0)
    """After so long people sign in again."""
    oidc: Oidc = Oidc()
    """Signing in with the organisation's accounts."""


class Upstream(_Section):
    """The model to protect, behind an OpenAI-compatible API."""

    url: str = ""
    """Base URL including the version path, e.g. `http://127.0.0.1:8000/v1`."""
    api_key: SecretStr = SecretStr("")
    """Sent upstream instead of the client's own key. Empty: no Authorization header is sent upstream."""
    connect_timeout: float = Field(5.0, gt=0)
    """Seconds for a connection to be made."""
    first_byte_timeout: float = Field(120.0, gt=0)
    """Seconds for an answer to begin."""
    idle_timeout: float = Field(60.0, gt=0)
    """Seconds that an answer may pause."""
    api_key_file: str = ""
    """Where the key is kept, in place of `api_key`; read at the start."""
    models: tuple[str, ...] = ("*",)
    """Names of the models it serves; `*` stands for anything."""
    weight: float = Field(1.0, gt=0)
    """Its share of the requests among those that serve the same model."""
    retries: int = Field(0, ge=0, le=10)
    """Further attempts after a failed connection or status 502 and 503. By default clients retry."""
    breaker_failures: int = Field(10, ge=1)
    """Failures in a row after which it is left alone for `breaker_seconds`."""
    breaker_seconds: float = Field(15.0, gt=0)
    """Seconds after which one request tries it again."""
    ca_file: str = ""
    """Certificates to trust in place of the system's, PEM."""
    client_cert: str = ""
    """Certificate that this gateway shows, PEM; with its key, unless that stands in `client_key`."""
    client_key: str = ""
    """Key of that certificate, PEM."""
    tls_server_name: str = ""
    """Name that the certificate must bear where it is not the address."""
    template: str = ""
    """For base models that only complete: renders `messages` to one prompt for `/completions`. `plain`, or Jinja."""


class StoreSettings(_Section):
    """The Adaptive Policy Store."""

    url: str = "sqlite:///sisf.db"
    """`sqlite:///path` or `postgresql://…`."""
    durability: Literal["grouped", "strict"] = "grouped"
    """Whether a released answer waits for the commit of its exchange (`strict`) or not (`grouped`, within 20 ms)."""


class PrivacySettings(_Section):
    """What is kept of the texts of exchanges. Work in progress is kept whole until the loop is done with it."""

    exchanges: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """`redacted`: personal data that patterns recognise is replaced; `hashed`: only to recognise a text again."""
    breaches: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """Of breaches, from which the loop learns again and again: no more than what is kept here."""
    retention_days: int = Field(30, ge=0)
    """Exchanges are deleted after so many days; 0 keeps them."""
    breach_retention_days: int = Field(365, ge=0)
    """The same for breaches. What was learned from them stays, without the examples."""
    key: SecretStr = SecretStr("")
    """Base64 of 32 bytes to seal kept texts with (`openssl rand -base64 32`); after a comma, older keys that still
    open. Empty: not sealed."""


class EmbedderSettings(_Section):
    """Which embedder semantic policies use."""

    name: str = "minilm"
    """`minilm`, `minilm-fp32`, `folder:PATH`, `fastembed:NAME`, or `openai:MODEL@URL`."""
    api_key: SecretStr = SecretStr("")
    """For `openai:…`."""


class ModelEndpoint(_Section):
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


class CallLimits(_Section):
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


class Adjudication(_Section):
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


class Synthesis(_Section):
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


class LifecycleSettings(_Section):
    """How policies enter, age and leave."""

    broad_principals: int | None = Field(None, ge=1)
    """Distinct principals whose breaches must speak for a broad policy before it is enforced; a narrow one stands in
    meanwhile. Unset: 2 with `keys.file`, else 1, since without keys a second principal proves nothing."""
    demote_principals: int = Field(2, ge=1)
    """Distinct principals whose words, with a Beta bound of the precision below one half, make a policy a shadow."""
    promote_confirmations: int = Field(3, ge=1)
    """Distinct principals whose breaches a shadow must have recognised to become active."""
    decay_days: float = Field(90, gt=0)
    """A policy that matched nothing and was confirmed by nobody for so long retires."""
    active_limit: int = Field(2_000, ge=1)
    """Above this many active policies those of least use retire."""
    merge_after_hours: float = Field(24, ge=0)
    """Age at which a policy retires when others in force catch all that it was ever seen to catch."""
    breaker_principals: int = Field(5, ge=1)
    """Distinct reports of false positives within `breaker_minutes`, or well-behaved principals that were stopped, that
    trip the breaker: nothing is then put in force by itself."""
    breaker_minutes: float = Field(60, gt=0)
    """The time that the breaker looks back."""
    breaker_rate: float = Field(0.05, gt=0, le=1)
    """Share of the exchanges of well-behaved principals that may be stopped, before the breaker trips."""
    triggers: int = Field(300, ge=1)
    """Breaches of one principal that may each start learning at once; then one in `trigger_seconds`. The others are
    learned from together with the next."""
    trigger_seconds: float = Field(15.0, gt=0)
    """Seconds after which a principal may start learning again."""


class LoopSettings(_Section):
    """The durable work of the loop."""

    workers: int = Field(1, ge=0, le=64)
    """Threads that work in the gateway process; 0 leaves the work to `sisf worker`."""
    attempts: int = Field(5, ge=1)
    """Tries of a stage, after which the work waits for `sisf breach retry`."""
    lease_seconds: float = Field(4.0, ge=1)
    """Seconds after which the work of a worker that died is taken over; one that lives renews in a quarter of them."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where `sisf worker` serves its Prometheus metrics, at `listen.host`; 0: nowhere."""


class Limits(_Section):
    """Sizes above which a request is refused whole."""

    body_bytes: int = Field(4_000_000, gt=0)
    """Bytes of a request, and of an answer that is not streamed."""
    text_chars: int = Field(1_000_000, gt=0)
    """Characters of all texts of a request, and of an answer."""
    messages: int = Field(2_000, gt=0)
    """Messages of a conversation."""
    json_depth: int = Field(64, gt=0)
    """Levels of nesting of a request."""
    requests_per_minute: int = Field(0, ge=0)
    """For each principal; 0 sets no limit. A key may have its own."""
    blocks_per_minute: int = Field(30, ge=0)
    """Blocked prompts and answers of one principal a minute, above which what is blocked comes late; 0: never."""
    block_delay: float = Field(10.0, ge=0)
    """Seconds that such an answer is late at most."""


class OnFailure(_Section):
    """What happens to a request when a part fails: `closed` refuses it, `open` lets it pass, counted and logged.

    Judges have a setting of their own: `adjudication.on_undecided`.
    """

    warden: Literal["closed", "open"] = "closed"
    """An inspection fails or takes too long."""
    warden_timeout: float = Field(10.0, gt=0)
    """Seconds that an inspection may take."""
    store: Literal["closed", "open"] = "closed"
    """An exchange cannot be written."""
    store_timeout: float = Field(5.0, gt=0)
    """Seconds that the write of an exchange may take before the store counts as failed."""
    uninspectable: Literal["closed", "open"] = "closed"
    """Parts that hold no text (images, audio, files), in requests and answers."""


class Tracing(_Section):
    """OpenTelemetry traces, with the conventions for generative AI; never a text, never a key. Extra `otel`."""

    endpoint: str = ""
    """Where spans go, OTLP over HTTP, e.g. `http://127.0.0.1:4318/v1/traces`. Empty: there are none."""
    service_name: str = "sisf"
    """How this gateway is called in traces."""
    sample_ratio: float = Field(1.0, ge=0, le=1)
    """Share of the requests that begin a trace here; those of a caller's trace follow the caller."""


class KeySettings(_Section):
    """Who may call."""

    file: str = ""
    """Where `sisf key` keeps the hashes of API keys. Empty: no key is asked for, everyone is anonymous."""


class Observe(_Section):
    """Where nothing is enforced though `mode` is `enforce`: what would have been blocked is recorded and counted."""

    endpoints: tuple[str, ...] = ()
    """Paths, such as `/v1/embeddings`."""
    tenants: tuple[str, ...] = ()
    """Names of tenants."""
    policies: tuple[str, ...] = ()
    """Ids of policies that are matched and never enforced, whatever their status."""


class Streaming(_Section):
    """Inspection of streamed answers."""

    window_chars: int = Field(512, ge=64)
    """Characters of an answer that are held back until what follows them was seen."""


class Settings(_Section):
    """Everything."""

    listen: Listen = Listen()
    admin: Admin = Admin()
    upstream: Upstream = Upstream()
    upstreams: dict[str, Upstream] = {}
    """More upstreams, by a name of your own."""
    store: StoreSettings = StoreSettings()
    privacy: PrivacySettings = PrivacySettings()
    embedder: EmbedderSettings = EmbedderSettings()
    adjudication: Adjudication = Adjudication()
    synthesis: Synthesis = Synthesis()
    lifecycle: LifecycleSettings = LifecycleSettings()
    loop: LoopSettings = LoopSettings()
    limits: Limits = Limits()
    on_failure: OnFailure = OnFailure()
    keys: KeySettings = KeySettings()
    streaming: Streaming = Streaming()
    tracing: Tracing = Tracing()
    mode: Literal["enforce", "observe"] = "enforce"
    """`observe`: everything is evaluated, recorded and counted, nothing is enforced."""
    observe: Observe = Observe()
    pass_through: tuple[str, ...] = ()
    """Further endpoints that are forwarded uninspected, as `METHOD /v1/path`; `*` stands for one part of a path."""
    blocked_prompt: Literal["error", "completion"] = "error"
    """Answer a blocked prompt with HTTP 400 `content_filter`, or with a completion that refuses."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged, as JSON lines on standard error."""


def cache_dir() -> Path:
    """The user's cache for converted models and fetched data (`SISF_CACHE_DIR` overrides)."""
    return Path(os.environ.get("SISF_CACHE_DIR") or platformdirs.user_cache_dir("sisf"))


def load(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Read, interpolate, merge and validate. `overrides` maps dotted keys to values and wins over everything.

    Raises `ConfigurationError` that names every wrong key and where it stands.
    """
    data: dict[str, Any] = _read(path, environment) if path else {}
    for name, value in environment.items():
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            _assign(data, name[len(_PREFIX) :].lower().split("__"), value, where=name)
    for key, value in (overrides or {}).items():
        _assign(data, key.split("."), value, where=key)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(e["loc"], e["type"], e["msg"]) for e in error.errors())
        raise ConfigurationError(f"{path or 'configuration'}: {problems}") from None


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in location)
    return f"unknown key `{key}`" if kind == "extra_forbidden" else f"`{key}`: {message}"


def _read(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"{path}: must be a mapping of settings, not a {type(loaded).__name__}")
    return {key: _interpolate(value, environment, str(path)) for key, value in loaded.items()}


def _interpolate(value: Any, environment: Mapping[str, str], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate(item, environment, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, environment, where) for item in value]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        name, default = found.group(1), found.group(2)
        if name in environment:
            return environment[name]
        if default is None:
            raise ConfigurationError(f"{where}: ${{{name}}} is not set in the environment and has no default")
        return default

    return _VARIABLE.sub(replace, value)


def _assign(data: dict[str, Any], keys: list[str], value: Any, *, where: str) -> None:
    for key in keys[:-1]:
        child = data.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigurationError(f"{where}: `{key}` is a value, not a section")
        data = child
    data[keys[-1]] = value
