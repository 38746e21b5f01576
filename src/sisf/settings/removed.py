"""Settings that are gone: what a configuration that still has one is told."""

REMOVED = {
    "adjudication.cache_entries": "10,000 verdicts of model judges are remembered",
    "conversation.remembered": "100,000 texts of each tenant are remembered",
    "image_moderation.remembered": "what was found in 10,000 images is remembered",
    "lifecycle.breaker_minutes": "the breaker looks back an hour",
    "lifecycle.merge_after_hours": "policies that others cover retire after a day",
    "lifecycle.trigger_seconds": "beyond `lifecycle.triggers`, one breach of a sender in 15 seconds starts learning",
    "limits.json_depth": "objects and arrays may be nested 64 deep",
    "loop.attempts": "a stage of the loop is tried 5 times",
    "loop.lease_seconds": "workers hold a job for 4 seconds at a time",
    "probe.patience": "a probe waits up to 60 seconds for the loop",
    "probe.refinements": "an attack is rewritten up to 3 times",
}
"""By dotted key: what holds in its place."""
