"""What an endpoint turned out not to support. OpenAI-compatible servers differ in exactly these arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FORMS = ("json_schema", "json_object", "plain")
_ABOUT_FORM = ("response_format", "json", "schema", "grammar", "structured", "guided", "support", "unknown", "extra")


@dataclass(slots=True)
class Dialect:
    """Starts from the richest form of a request and gives up, once and for good, what the endpoint refuses."""

    form: str = "json_schema"
    token_key: str = "max_tokens"  # noqa: S105 - not a secret
    temperature: bool = True

    def arguments(self, schema: Mapping[str, Any] | None, max_tokens: int, temperature: float) -> dict[str, Any]:
        """The arguments of a request beside model and messages."""
        arguments: dict[str, Any] = {self.token_key: max_tokens}
        if self.temperature:
            arguments["temperature"] = temperature
        if schema is not None and self.form == "json_schema":
            name = str(schema.get("title", "answer"))
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": dict(schema), "strict": True},
            }
        elif schema is not None and self.form == "json_object":
            arguments["response_format"] = {"type": "json_object"}
        return arguments

    def give_up(self, sent: Mapping[str, Any], complaint: str) -> bool:
        """Drop what the endpoint complained of in the request `sent`; False when nothing is left to drop."""
        complaint = complaint.lower()
        if self.token_key == "max_tokens" and "max_completion_tokens" in complaint:  # noqa: S105
            self.token_key = "max_completion_tokens"  # noqa: S105
            return True
        if "temperature" in sent and "temperature" in complaint:
            self.temperature = False
            return True
        if "response_format" in sent and any(word in complaint for word in _ABOUT_FORM):
            kind = sent["response_format"]["type"]
            if kind == self.form:
                self.form = _FORMS[_FORMS.index(kind) + 1]
            return True
        return False
