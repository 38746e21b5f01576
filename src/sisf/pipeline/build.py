"""Puts a pipeline together, for the gateway, for `sisf.Guard` and for the laboratory alike."""

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.guard_model import ImageModerator
from sisf.pipeline.checking import Checks
from sisf.pipeline.conversation import Seen
from sisf.pipeline.images import ImageInspector
from sisf.pipeline.judging import InlineJudge
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.pipeline import Pipeline
from sisf.pipeline.ports import Memory, Monitor, TakesFirstLooks, Warden
from sisf.pipeline.recording import Recorder
from sisf.pipeline.throttle import Throttle
from sisf.settings import Settings


def create_pipeline(
    settings: Settings,
    warden: Warden,
    monitor: Monitor,
    adjudicator: Adjudicator | None,
    metrics: Metrics | None = None,
    *,
    memory: Memory | None = None,
) -> Pipeline:
    """A pipeline over these parts; `adjudicator` is asked where answers wait for it.

    With `metrics`, go on counting there. `memory`: where it is kept, for all processes, which texts passed.
    """
    warden.follow(settings)
    metrics = metrics or Metrics()
    metrics.watch_revision(lambda: warden.revision)
    if isinstance(warden, TakesFirstLooks):
        metrics.first_looks = lambda: warden.first_looks
    moderation = settings.image_moderation
    before = settings.adjudication.mode in ("inline", "doubtful")
    return Pipeline(
        settings=settings,
        recorder=Recorder(monitor, settings, metrics),
        judge=InlineJudge(adjudicator, settings.adjudication, metrics) if before and adjudicator else None,
        metrics=metrics,
        images=ImageInspector(ImageModerator(moderation), moderation) if moderation.enabled else None,
        throttle=Throttle(settings.limits, metrics),
        checks=Checks(warden, metrics, settings.on_failure),
        seen=Seen(
            memory=memory,
            seconds=settings.on_failure.store_timeout,
            failed=metrics.failures.labels("store", "remembered").inc,
        ),
    )
