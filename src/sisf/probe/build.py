"""Puts a probing agent together from settings, for `sisf probe` and `sisf serve` alike."""

import os
import random
import secrets
import threading

from sisf.errors import ConfigurationError
from sisf.probe.agent import ProbingAgent, Target
from sisf.probe.attacker import Attacker
from sisf.probe.attacks import Composer, goals
from sisf.probe.choice import Chooser
from sisf.probe.families import load
from sisf.probe.waiting import StoreWatch
from sisf.settings import ProbeSettings, cache_dir
from sisf.store import Store


def create_agent(
    settings: ProbeSettings, target: Target, store: Store, *, ended: threading.Event | None = None
) -> ProbingAgent:
    """An agent that attacks `target` and shares `store` with it. Raises `ConfigurationError`."""
    ended = ended or threading.Event()
    rng = random.Random(settings.seed)
    composer = Composer(load(settings.families), goals(), rng)
    return ProbingAgent(
        target,
        StoreWatch(store, ended=ended),
        store.probes,
        composer,
        Chooser(composer.families, composer.hazards, rng),
        attacker=_attacker(settings),
        per_minute=settings.per_minute,
        ended=ended,
    )


def _attacker(settings: ProbeSettings) -> Attacker | None:
    if not settings.attacker.model:
        return None
    from sisf.llm.client import OpenAIChatModel

    return Attacker(OpenAIChatModel(settings.attacker))


def probe_key(settings: ProbeSettings) -> str:
    """By which the gateway knows the agent: that of the settings, else one that this user's cache folder keeps.

    Raises `ConfigurationError` when that cannot be read or written.
    """
    given = settings.key.get_secret_value()
    if given:
        return given
    path = cache_dir() / "probe.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("sk-sisf-probe-" + secrets.token_urlsafe(32))
        except FileExistsError:
            pass
        kept = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be used ({error.strerror}); set probe.key") from None
    if len(kept) < 32:
        raise ConfigurationError(f"{path}: holds no key; delete it, or set probe.key")
    return kept
