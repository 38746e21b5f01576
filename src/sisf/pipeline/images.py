"""Images in prompts: what a moderation endpoint finds in them."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from sisf.errors import InspectionFailed, LimitExceeded, ModelError
from sisf.latest import Latest
from sisf.pipeline.turn import Image
from sisf.settings import ImageModeration

_REMEMBERED = 10_000
"""Images (as hashes) whose findings are kept: conversations send theirs again with each turn."""


class Eye(Protocol):
    """Looks at images. Blocks its thread."""

    def look(self, url: str) -> str:
        """What the image shows that must not pass, in one word; empty for nothing. Raises `ModelError`."""
        ...


class ImageInspector:
    """Asks an eye, in threads, and remembers what it found."""

    def __init__(self, eye: Eye, settings: ImageModeration) -> None:
        self._eye = eye
        self._settings = settings
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="images")
        self._known: Latest[bytes, str] = Latest(_REMEMBERED)

    async def findings(self, images: Sequence[Image]) -> list[str]:
        """What each image shows that must not pass; empty where nothing was found.

        Raises `LimitExceeded` for too many, `InspectionFailed` where the endpoint fails or is too slow.
        """
        if len(images) > self._settings.images:
            message = f"More than {self._settings.images} images (image_moderation.images)."
            raise LimitExceeded(message, code="too_many_images")
        return list(await asyncio.gather(*(self._finding(image.url) for image in images)))

    async def _finding(self, url: str) -> str:
        key = hashlib.blake2b(url.encode(), digest_size=16).digest()
        if (known := self._known.recall(key)) is not None:
            return known
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout * (1 + self._settings.retries)):
                found = await loop.run_in_executor(self._pool, self._eye.look, url)
        except (ModelError, TimeoutError):
            raise InspectionFailed("An image could not be inspected; try again later.") from None
        self._known[key] = found
        return found

    def close(self) -> None:
        """Let go of the threads; a hung endpoint is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
