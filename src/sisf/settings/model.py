"""All settings."""

from typing import Literal

from pydantic import Field

from sisf.settings.learning import Adjudication, EmbedderSettings, LifecycleSettings, LoopSettings, Synthesis
from sisf.settings.section import Section
from sisf.settings.serving import (
    Admin,
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
    webhooks: tuple[Webhook, ...] = ()
    """Who is told when something happens: a list of `url`, `secret` and `events`."""
    mode: Literal["enforce", "observe"] = "enforce"
    """`observe`: everything is evaluated, recorded and counted, nothing is enforced."""
    observe: Observe = Observe()
    pass_through: tuple[str, ...] = ()
    """Further endpoints that are forwarded uninspected, as `METHOD /v1/path`; `*` stands for one part of a path."""
    blocked_prompt: Literal["error", "completion"] = "error"
    """Answer a blocked prompt with HTTP 400 `content_filter`, or with a completion that refuses."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged, as JSON lines on standard error."""
