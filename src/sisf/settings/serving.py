"""What clients and operators reach: listeners, upstreams, keys, limits, failures, traces."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr

from sisf.settings.section import Section


class Listen(Section):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    """The address to bind; `0.0.0.0` for all interfaces."""
    port: int = Field(8400, ge=0, le=65535)
    """The port to bind. 0 chooses a free port, which is shown at the start."""
    hosts: tuple[str, ...] = ()
    """Names of this gateway, and of sites whose pages may call it, beside `localhost`: without `keys.file` requests
    with a foreign `Origin`, or from this machine with a foreign `Host`, are refused."""
    cors_origins: tuple[str, ...] = ()
    """Origins (`https://chat.example.com`, or `*` for all) whose pages may read answers, beside those of this machine
    and of `hosts`. Without `keys.file` only these two may call at all."""
    proxy_protocol: bool = False
    """Whether connections from `callers.trusted_proxies` begin with a PROXY header (version 1 or 2) that names the
    client. They must then; from all others such a header is no valid request."""
    read_timeout: float = Field(60.0, gt=0)
    """Seconds for a request to arrive whole, its head and its body; what is slower is closed."""
    processes: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 1
    """The number of processes that serve this port. `auto`: one for each processor."""


ConsoleRole = Literal["viewer", "operator", "admin"]


class Oidc(Section):
    """Signing in to the console at an OpenID Connect provider."""

    issuer: str = ""
    """The provider's issuer URL, such as `https://login.example.com/realms/main`. Empty: sign-in with OpenID Connect is
    disabled."""
    client_id: str = ""
    """The client ID of the console at the provider. The redirect URI to register is `admin.url` followed by
    `/oidc/callback`."""
    client_secret: SecretStr = SecretStr("")
    """The client secret. Empty for a public client."""
    client_secret_file: str = ""
    """A file with the client secret, used in place of `client_secret`. It is read at the start."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """The scopes to request."""
    name_claim: str = "preferred_username"
    """The claim that names the person in the audit log. If it is missing, `email` is used, then `sub`."""
    role_claim: str = "groups"
    """The claim that determines the person's role. A dot leads into an object, as in `realm_access.roles`."""
    roles: dict[str, ConsoleRole] = Field(default_factory=dict)
    """Which values of that claim give the role `viewer`, `operator` or `admin`. If several match, the strongest role
    applies."""
    default_role: Literal["none", "viewer", "operator", "admin"] = "none"
    """The role of everyone else who signs in at the provider."""
    ca_file: str = ""
    """A PEM file of certificates to trust instead of the system's."""


class Admin(Section):
    """The listener of the oversight console; never the one that clients reach."""

    enabled: bool = True
    """Whether the console is served."""
    host: str = "127.0.0.1"
    """The address to bind."""
    port: int = Field(8401, ge=0, le=65535)
    """The port to bind. 0 chooses a free port, which is shown at the start."""
    token: SecretStr = SecretStr("")
    """The token that gives access to the console with the role admin. Empty, and without `oidc`: a new token is
    generated at each start and shown there. One of fewer than 16 characters is refused while others guess from the
    same address."""
    url: str = ""
    """The URL at which people reach the console, such as `https://sisf.example.com`. With https, cookies are marked as
    secure."""
    session_minutes: float = Field(480.0, gt=0)
    """How many minutes a session lasts. After that, people must sign in again."""
    two_persons: bool = False
    """Whether a broad policy (a probe, or prototypes that match from afar) needs the approval of two people before it
    becomes active, on the console or the command line."""
    try_model: str = ""
    """The name of the model at `upstream.url` that operators may ask on the page "Try a text". Empty: no model is asked
    from the console."""
    oidc: Oidc = Oidc()
    """Sign-in with the accounts of your organisation."""


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


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://\S+", url):
        raise ValueError("must be a URL that begins with https:// or http://")
    return url


class Webhook(Section):
    """Who is told when something happens that people should know."""

    url: Annotated[str, AfterValidator(_web_address)]
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
    """The base URL including the version path, such as `http://127.0.0.1:8000/v1`."""
    api_key: SecretStr = SecretStr("")
    """The API key that is sent upstream instead of the client's own. Empty: no Authorization header is sent
    upstream."""
    connect_timeout: float = Field(5.0, gt=0)
    """How many seconds connecting may take."""
    first_byte_timeout: float = Field(600.0, gt=0)
    """How many seconds may pass until the first byte of the answer."""
    idle_timeout: float = Field(600.0, gt=0)
    """How many seconds may pass between two parts of an answer."""
    answer_timeout: float = Field(600.0, gt=0)
    """How many seconds an answer that is not streamed may take from its first byte to its last."""
    api: Literal["auto", "openai", "anthropic"] = "auto"
    """Whose headers it takes: `anthropic` is sent `x-api-key` and `anthropic-version` on every path. `auto`: so is
    `api.anthropic.com`."""
    client_headers: tuple[str, ...] = ()
    """Headers of clients that are forwarded, beside those of the usual SDKs (see gateway.md). Never credentials."""
    api_key_file: str = ""
    """A file with the API key, used in place of `api_key`. It is read at the start."""
    models: tuple[str, ...] = ("*",)
    """The names of the models that this upstream serves; `*` stands for any characters."""
    weight: float = Field(1.0, gt=0)
    """The share of requests that this upstream receives, relative to the others that serve the same model."""
    retries: int = Field(0, ge=0, le=10)
    """How often a request is repeated after a failed connection or a status of 502 or 503. With 0, retrying is left to
    the client."""
    breaker_failures: int = Field(10, ge=1)
    """After this many failures in a row, the upstream receives no requests for `breaker_seconds`."""
    breaker_seconds: float = Field(15.0, gt=0)
    """After this many seconds, one request tests whether the upstream works again."""
    ca_file: str = ""
    """A PEM file of certificates to trust instead of the system's."""
    client_cert: str = ""
    """A PEM file with the client certificate for mutual TLS. It also holds the key unless `client_key` is set."""
    client_key: str = ""
    """A PEM file with the key of the client certificate."""
    tls_server_name: str = ""
    """The host name that the upstream's certificate must have, if it differs from the host in `url`."""
    template: str = ""
    """For base models that support only `/completions`: the template that turns `messages` into one prompt. `plain`, or
    a Jinja template."""


class Limits(Section):
    """Limits on size and rate. A request above a size limit is refused as a whole."""

    body_bytes: int = Field(4_000_000, gt=0)
    """The maximum size in bytes of a request, and of an answer that is not streamed."""
    bodies_bytes: int = Field(64_000_000, gt=0)
    """The maximum size in bytes of the bodies of all requests under way, of which one sender may have half. A request
    of up to 64 kB waits for no other sender's."""
    text_chars: int = Field(1_000_000, gt=0)
    """The maximum number of characters in all texts of a request, and in an answer."""
    messages: int = Field(2_048, gt=0)
    """The maximum number of messages in a conversation."""
    texts: int = Field(5_000, gt=0)
    """The maximum number of separate texts in a request: messages, their parts, tools, tool calls and their results."""
    json_nodes: int = Field(50_000, gt=0)
    """The maximum number of values in the JSON of a request. Objects and arrays count too."""
    requests_per_minute: int = Field(0, ge=0)
    """The maximum number of requests per minute for each sender. 0: no limit. A key may have a limit of its own."""
    blocks_per_minute: int = Field(30, ge=0)
    """When more than this many prompts and answers of one sender are blocked per minute, further blocks are delayed. 0:
    they are never delayed."""
    block_delay: float = Field(10.0, ge=0)
    """The maximum delay of a block, in seconds."""


Unseen = Literal["image", "audio", "video", "file", "tokens", "reference", "template", "unknown"]
"""Kinds of what the gateway cannot inspect. `reference`: something that is stored or hosted elsewhere and only named;
`unknown`: a key or a type that it does not know."""


class Inspection(Section):
    """What the Warden does beyond what policies say."""

    unreadable: Literal["allow", "flag", "refuse"] = "allow"
    """What happens to a prompt with a long text that reads as nothing, encodings undone: it passes (`allow`), passes
    and is logged (`flag`), or is refused with 413 (`refuse`). Keys and binary data read as nothing too."""
    first_look: bool = False
    """Whether short texts that no probe can reach, by a guess from their tokens, are not read by the encoder: half the
    cost for honest requests, at a small risk. Only for the packaged encoder, and while no prototype is in force."""


class OnFailure(Section):
    """What happens to a request when a part fails: `closed` refuses it, `open` lets it pass, counted and logged.

    Judges have a setting of their own: `adjudication.on_undecided`.
    """

    warden: Literal["closed", "open"] = "closed"
    """When an inspection fails or takes longer than `warden_timeout`."""
    warden_timeout: float = Field(10.0, gt=0)
    """How many seconds an inspection may take."""
    store: Literal["closed", "open"] = "closed"
    """When an exchange cannot be written to the store."""
    store_timeout: float = Field(5.0, gt=0)
    """How many seconds writing an exchange may take before the store counts as failed."""
    uninspectable: Literal["closed", "open"] | dict[Unseen, Literal["closed", "open"]] = "closed"
    """What holds no text to inspect, in requests and answers; or for each kind, as `{image: open}`: others stay closed.
    """

    @property
    def open_kinds(self) -> frozenset[Unseen]:
        """Kinds of what cannot be inspected that pass."""
        if isinstance(self.uninspectable, str):
            return frozenset(get_args(Unseen)) if self.uninspectable == "open" else frozenset()
        return frozenset(kind for kind, state in self.uninspectable.items() if state == "open")


class KeySettings(Section):
    """Who may call."""

    file: str = ""
    """The file in which `sisf key` stores the hashes of API keys. Empty: no key is required, and all clients are
    anonymous."""


class Callers(Section):
    """Who a request counts as being from, where others speak for their users. See "Behind a proxy" in gateway.md."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks (`10.0.0.0/8`) of proxies that are believed to say who is behind them."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which they say so: the one that they write themselves, never one that they pass on."""
    principal_header: str = ""
    """A header in which trusted proxies name the principal, e.g. `x-user-id`. Empty: none."""
    principal_from_user: bool = False
    """Whether the body's `user` (or `safety_identifier`, or `metadata.user_id`) names the principal. Only where every
    caller is an application that you trust to say so: whoever writes the field chooses who they are."""


class Observe(Section):
    """What is observed although `mode` is `enforce`: blocks are recorded and counted, and not enforced."""

    endpoints: tuple[str, ...] = ()
    """Paths on which nothing is enforced, such as `/v1/embeddings`."""
    tenants: tuple[str, ...] = ()
    """Tenants for which nothing is enforced."""
    policies: tuple[str, ...] = ()
    """Ids of policies that are matched and never enforced, whatever their status is."""


Blocked = Literal["whole", "new", "redact"]
"""What a turn that a policy blocks does to the conversation after it."""


class Conversation(Section):
    """What becomes of a conversation after one of its turns was blocked.

    The newest turn is always refused when a policy blocks it, alone or with what stands before it; system prompts and
    tools are never let off.
    """

    blocked: Blocked = "redact"
    """`whole`: every later request that still holds the turn is refused. `redact`: an older turn that is blocked is
    replaced by a neutral note before the request is forwarded. `new`: as `redact`, but an older turn that this gateway
    let pass for the same sender before is not judged anew under later policies: of each tenant 100,000 texts (as
    digests, in memory and in the store, so that all processes know them), which are forgotten when they did not come
    again within `privacy.retention_days`."""
    routes: dict[str, Blocked] = Field(default_factory=dict)
    """The same for single paths, as `/v1/messages: new`."""


class Streaming(Section):
    """Inspection of streamed answers."""

    window_chars: int = Field(512, ge=64)
    """How many characters of a streamed answer are held back until the text that follows them has been inspected."""


class Tracing(Section):
    """OpenTelemetry traces with the semantic conventions for generative AI. They never contain texts or keys. Needs the
    extra `otel`."""

    endpoint: str = ""
    """The OTLP/HTTP endpoint that receives the traces, such as `http://127.0.0.1:4318/v1/traces`. Empty: tracing is
    disabled."""
    service_name: str = "sisf"
    """The service name of this gateway in traces."""
    sample_ratio: float = Field(1.0, ge=0, le=1)
    """The share of requests that are traced when the caller has not started a trace. A caller's trace keeps the
    caller's decision."""
