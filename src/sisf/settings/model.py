"""All settings."""

from typing import Literal

from pydantic import Field

from sisf.settings.learning import (
    Adjudication,
    EmbedderSettings,
    ImageModeration,
    LifecycleSettings,
    LoopSettings,
    ProbeSettings,
    Synthesis,
)
from sisf.settings.section import Section
from sisf.settings.serving import (
    Admin,
    Callers,
    Conversation,
    Inspection,
    KeySettings,
    Limits,
    Listen,
    Observe,
    OnFailure,
    Streaming,
    Tracing,
    Upstream,
    Webhook,
)
from sisf.settings.storage import PrivacySettings, StoreSettings


class Settings(Section):
    """Everything."""

    listen: Listen = Listen()
    admin: Admin = Admin()
    upstream: Upstream = Upstream()
    upstreams: dict[str, Upstream] = Field(default_factory=dict)
    """Additional upstreams, each under a name of your choice."""
    store: StoreSettings = StoreSettings()
    privacy: PrivacySettings = PrivacySettings()
    embedder: EmbedderSettings = EmbedderSettings()
    adjudication: Adjudication = Adjudication()
    synthesis: Synthesis = Synthesis()
    lifecycle: LifecycleSettings = LifecycleSettings()
    loop: LoopSettings = LoopSettings()
    probe: ProbeSettings = ProbeSettings()
    limits: Limits = Limits()
    inspection: Inspection = Inspection()
    on_failure: OnFailure = OnFailure()
    image_moderation: ImageModeration = ImageModeration()
    keys: KeySettings = KeySettings()
    callers: Callers = Callers()
    conversation: Conversation = Conversation()
    streaming: Streaming = Streaming()
    tracing: Tracing = Tracing()
    webhooks: tuple[Webhook, ...] = ()
    """Who is told when something happens: a list of `url`, `secret` and `events`."""
    mode: Literal["enforce", "observe"] = "enforce"
    """`observe`: policies are evaluated, matches are recorded and counted, and nothing is enforced."""
    observe: Observe = Observe()
    pass_through: tuple[str, ...] = ()
    """Additional endpoints that are forwarded without inspection, as `METHOD /v1/path`; `*` stands for one segment of a
    path."""
    blocked_prompt: Literal["error", "completion"] = "error"
    """How a blocked prompt is answered: with HTTP 400 and the code `content_filter` (`error`), or with a completion
    that refuses (`completion`)."""
    reveal: Literal["operators", "everyone"] = "operators"
    """Who is told which policy decided and how sure the judge is: keys of role `admin`, or everyone."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged, as JSON lines on standard error."""
