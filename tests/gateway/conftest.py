"""A gateway that really runs, between a scripted upstream and whatever client a test brings."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sisf.gateway.app import Gateway, create_app
from sisf.gateway.server import running
from sisf.settings import Settings, load
from sisf.store import Store
from sisf.testing import ScriptedServer
from tests.gateway.fakes import FakeJudge, FakeLoop, FakeStore, FakeWarden


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Rig:
    upstream: ScriptedServer
    settings: Settings
    warden: FakeWarden = field(default_factory=FakeWarden)
    loop: FakeLoop = field(default_factory=FakeLoop)
    judge: FakeJudge = field(default_factory=FakeJudge)
    store: FakeStore = field(default_factory=FakeStore)
    app: Gateway = field(init=False)
    url: str = ""

    def post(self, body: Any, path: str = "/v1/chat/completions", headers: Mapping[str, str] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, raw, {"content-type": "application/json", **(headers or {})})

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        return self.app.core.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def rig(upstream: ScriptedServer | None = None, **settings: Any) -> Iterator[Rig]:
    with upstream or ScriptedServer() as server:
        url, store = settings.pop("upstream_url", server.url), settings.pop("store", None)
        keys = {key.replace("__", "."): value for key, value in settings.items()}
        made = Rig(server, load(environment={}, overrides={"upstream.url": url, **keys}), store=store or FakeStore())
        made.app = create_app(
            warden=made.warden,
            loop=made.loop,
            adjudicator=made.judge,
            store=cast(Store, made.store),
            settings=made.settings,
        )
        with running(made.app) as background:
            made.url = background.url
            yield made


@pytest.fixture
def gateway() -> Iterator[Rig]:
    with rig() as made:
        yield made


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}
