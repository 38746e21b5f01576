"""Which embedder a setting names."""

from pathlib import Path
from urllib.parse import urlsplit

from sisf.embedding.base import Embedder
from sisf.embedding.hashing import HashEmbedder
from sisf.errors import ConfigurationError, quoted
from sisf.settings import EmbedderSettings, cache_dir

DEFAULT = "harm-aware"
_FORMS = (
    "`harm-aware`, `harm-aware-fp32`, `minilm`, `minilm-fp32`, `folder:PATH`, `fastembed:NAME`, `openai:MODEL@URL` "
    "or `hash`"
)


def create_embedder(spec: str = DEFAULT, *, cache: Path | None = None, api_key: str = "") -> Embedder:
    """The embedder that `spec` names; local models load at first use.

    `cache` is where converted models are kept (default: the user's cache); `api_key` is for endpoints.
    Raises `ConfigurationError` for a spec of no known form, `ModelError` when what it names cannot be used.
    """
    kind, _, argument = spec.partition(":")
    match kind, bool(argument):
        case (("harm-aware" | "harm-aware-fp32"), False):
            from sisf.embedding.minilm import harm_aware_embedder

            return harm_aware_embedder(cache or cache_dir(), quantised=kind == "harm-aware")
        case (("minilm" | "minilm-fp32"), False):
            from sisf.embedding.minilm import minilm_embedder

            return minilm_embedder(cache or cache_dir(), quantised=kind == "minilm")
        case "hash", False:
            return HashEmbedder()
        case "folder", True:
            from sisf.embedding.folder import folder_embedder

            return folder_embedder(Path(argument).expanduser())
        case "fastembed", True:
            from sisf.embedding.catalogue import FastembedEmbedder

            return FastembedEmbedder(argument, cache or cache_dir())
        case "openai", True:
            from sisf.embedding.endpoint import EndpointEmbedder

            return EndpointEmbedder(*_model_and_url(spec, argument), api_key=api_key)
    raise ConfigurationError(f"embedder {quoted(spec)} is not known: use {_FORMS}")


def configured_embedder(settings: EmbedderSettings) -> Embedder:
    """The embedder that the settings name. Raises as `create_embedder` does."""
    return create_embedder(settings.name, api_key=settings.api_key.get_secret_value())


def _model_and_url(spec: str, argument: str) -> tuple[str, str]:
    model, _, url = argument.partition("@")
    address = urlsplit(url)
    if not model or address.scheme not in {"http", "https"} or not address.netloc:
        raise ConfigurationError(
            f"embedder {quoted(spec)}: write `openai:MODEL@URL`, e.g. `openai:bge-m3@http://host:80/v1`"
        )
    return model, url
