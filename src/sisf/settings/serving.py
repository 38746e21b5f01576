"""What clients and operators reach: listeners, upstreams, keys, limits, failures, traces."""

from typing import Literal

from pydantic import Field, SecretStr

from sisf.settings.section import Section


class Listen(Section):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    """Address to bind; `0.0.0.0` for all."""
    port: int = Field(8400, ge=0, le=65535)
    """0 takes a free one, which is shown at the start."""


ConsoleRole = Literal["viewer", "operator", "admin"]


class Oidc(Section):
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
    roles: dict[str, ConsoleRole] = Field(default_factory=dict)
    """Values of that claim to `viewer`, `operator` or `admin`. The strongest one counts."""
    default_role: Literal["none", "viewer", "operator", "admin"] = "none"
    """Of everyone else whom the provider lets in."""
    ca_file: str = ""
    """Certificates to trust in place of the system's, PEM."""


class Admin(Section):
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
    two_persons: bool = False
    """Broad policies (learned ones and prototypes) become active on the console only when two people approved them."""
    oidc: Oidc = Oidc()
    """Signing in with the organisation's accounts."""


WebhookEvent = Literal[
    "breach",
    "proposal",
    "given_up",
    "breaker",
    "fail_open",
    "stale_node",
    "enforcement_suspended",
    "enforcement_resumed",
]


class Webhook(Section):
    """Who is told when something happens that people should know."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    """Where messages are posted, e.g. `https://chat.example.com/hooks/sisf`."""
    secret: SecretStr = SecretStr("")
    """Signs each message (`webhook-signature`, HMAC-SHA256). Empty: they are not signed."""
    events: tuple[WebhookEvent, ...] = (
        "proposal",
        "given_up",
        "breaker",
        "fail_open",
        "stale_node",
        "enforcement_suspended",
        "enforcement_resumed",
    )
    """Which events it is told; `breach` may be many."""


class Upstream(Section):
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


class Limits(Section):
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


class OnFailure(Section):
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


class KeySettings(Section):
    """Who may call."""

    file: str = ""
    """Where `sisf key` keeps the hashes of API keys. Empty: no key is asked for, everyone is anonymous."""


class Observe(Section):
    """Where nothing is enforced though `mode` is `enforce`: what would have been blocked is recorded and counted."""

    endpoints: tuple[str, ...] = ()
    """Paths, such as `/v1/embeddings`."""
    tenants: tuple[str, ...] = ()
    """Names of tenants."""
    policies: tuple[str, ...] = ()
    """Ids of policies that are matched and never enforced, whatever their status."""


class Streaming(Section):
    """Inspection of streamed answers."""

    window_chars: int = Field(512, ge=64)
    """Characters of an answer that are held back until what follows them was seen."""


class Tracing(Section):
    """OpenTelemetry traces, with the conventions for generative AI; never a text, never a key. Extra `otel`."""

    endpoint: str = ""
    """Where spans go, OTLP over HTTP, e.g. `http://127.0.0.1:4318/v1/traces`. Empty: there are none."""
    service_name: str = "sisf"
    """How this gateway is called in traces."""
    sample_ratio: float = Field(1.0, ge=0, le=1)
    """Share of the requests that begin a trace here; those of a caller's trace follow the caller."""
