"""The prompts of the `llm` synthesiser, by version; a version, once released, is never edited."""

from importlib import resources

VERSION = 2


def load_prompt() -> str:
    """Instructions for the system role. They never contain text of an exchange."""
    return resources.files(__name__).joinpath(f"policy-{VERSION}.md").read_text(encoding="utf-8")
