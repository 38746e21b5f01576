"""One configuration: `sisf.yaml`, every key also as `SISF_…` environment variable. Validated before anything starts.

Precedence: command-line options, environment, file, defaults. `SISF_LISTEN__PORT=9000` sets `listen.port`.
"""

from sisf.settings.learning import (
    Adjudication,
    AuthorModel,
    CallLimits,
    EmbedderSettings,
    GuardModel,
    JudgeModel,
    JudgeName,
    LifecycleSettings,
    LoopSettings,
    ModelEndpoint,
    ModerationModel,
    Synthesis,
)
from sisf.settings.model import Settings
from sisf.settings.reading import cache_dir, load, origins
from sisf.settings.serving import (
    Admin,
    Callers,
    ConsoleRole,
    Conversation,
    KeySettings,
    Limits,
    Listen,
    Observe,
    Oidc,
    OnFailure,
    Streaming,
    Tracing,
    Unseen,
    Upstream,
    Webhook,
    WebhookEvent,
)
from sisf.settings.storage import PrivacySettings, StoreSettings

__all__ = [
    "Adjudication",
    "Admin",
    "AuthorModel",
    "CallLimits",
    "Callers",
    "ConsoleRole",
    "Conversation",
    "EmbedderSettings",
    "GuardModel",
    "JudgeModel",
    "JudgeName",
    "KeySettings",
    "LifecycleSettings",
    "Limits",
    "Listen",
    "LoopSettings",
    "ModelEndpoint",
    "ModerationModel",
    "Observe",
    "Oidc",
    "OnFailure",
    "PrivacySettings",
    "Settings",
    "StoreSettings",
    "Streaming",
    "Synthesis",
    "Tracing",
    "Unseen",
    "Upstream",
    "Webhook",
    "WebhookEvent",
    "cache_dir",
    "load",
    "origins",
]
