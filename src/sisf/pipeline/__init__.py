"""One exchange on its way: admitted, inspected, forwarded, inspected again, judged, recorded, released. Knows no HTTP.

The gateway, `sisf.Guard` with its wrapped clients, the integrations and the laboratory all run it.
"""

from sisf.pipeline.build import create_pipeline
from sisf.pipeline.caller import Caller
from sisf.pipeline.pipeline import Pipeline, Release
from sisf.pipeline.turn import Choice, Inspected, Turn

__all__ = ["Caller", "Choice", "Inspected", "Pipeline", "Release", "Turn", "create_pipeline"]
