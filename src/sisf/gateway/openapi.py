"""The published OpenAPI document of the gateway. Requests and answers of models have the forms of their own APIs."""

from typing import Any

from sisf import __version__
from sisf.gateway.feedback import VERDICTS
from sisf.policy import Action, Direction
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import Outcome

_STRING = {"type": "string"}
_ANY = {"type": "object"}
_INFORMED = "Told to keys of role `admin` or, with `reveal: everyone`, to all."
_MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"enum": ["system", "user", "assistant", "tool"]}, "content": _STRING},
    },
}
_ERRORS = {
    "400": "The request is malformed, or the prompt was blocked (`content_filter`).",
    "401": "The key is missing or not valid.",
    "413": "The request is larger than allowed.",
    "429": "Too many requests.",
    "503": "Inspection or store are not available.",
}
_UPSTREAM_ERRORS = {
    "404": "No upstream serves that model.",
    "502": "The upstream is unreachable or its answer is not valid.",
    "504": "The upstream is too slow.",
}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    text_or_messages = {"text": _STRING, "messages": _MESSAGES, "response": _STRING}
    paths = {
        "/v1/check": _post(
            "Inspect a prompt, an answer, or both",
            _closed(text_or_messages),
            _answer(
                _form(
                    action=_enum(Action),
                    blocked={"type": "boolean"},
                    revision={"type": "integer"},
                    decisions={"type": "array", "items": _DECISION},
                ),
                policy_id={"type": ["string", "null"], "description": _INFORMED},
            ),
        ),
        "/v1/adjudicate": _post(
            "Judge an exchange",
            _closed(text_or_messages, "response"),
            _answer(
                _form(outcome=_enum(Outcome), hazard=_enum(Hazard)),
                technique={**_enum(Technique), "description": _INFORMED},
                severity={"type": "number", "description": _INFORMED},
                confidence={"type": "number", "minimum": 0, "maximum": 1, "description": _INFORMED},
                rationale={"type": "string", "description": _INFORMED},
                judge={"type": "string", "description": _INFORMED},
            ),
        ),
        "/v1/feedback": _post(
            "Say that an exchange was stopped by mistake, or rightly",
            _closed({"exchange": _STRING, "verdict": {"enum": list(VERDICTS)}}, "exchange", "verdict"),
            _answer(_form(exchange=_STRING, verdict={"enum": list(VERDICTS)}, revision={"type": "integer"})),
            **{"403": "The key may not say so.", "404": "No policy stopped such an exchange."},
        ),
        "/v1/moderations": _post(
            "Moderate texts, in OpenAI's form",
            _form(input={"anyOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}]}),
            _answer(_form(id=_STRING, model=_STRING, results={"type": "array", "items": _MODERATED})),
        ),
        "/beta/litellm_basic_guardrail_api": _post(
            "LiteLLM's generic guardrail",
            {
                **_form(input_type={"enum": ["request", "response"]}),
                "properties": {
                    "input_type": {"enum": ["request", "response"]},
                    "texts": {"type": "array", "items": _STRING},
                },
            },
            _answer(
                _form(action={"enum": ["NONE", "BLOCKED", "GUARDRAIL_INTERVENED"]}),
                blocked_reason=_STRING,
                texts={"type": "array", "items": _STRING},
            ),
        ),
        "/v1/chat/completions": _forwarded("chat completion", _form(model=_STRING, messages=_MESSAGES)),
        "/v1/completions": _forwarded("completion", _form(model=_STRING, prompt=_STRING)),
        "/v1/responses": _forwarded("response", _form(model=_STRING, input=_STRING)),
        "/v1/messages": _forwarded("message", _form(model=_STRING, messages=_MESSAGES)),
        "/v1/embeddings": _forwarded("list of embeddings", _form(model=_STRING, input=_STRING)),
        "/v1/models": _get("The models", {**_UPSTREAM_ERRORS, "401": _ERRORS["401"]}),
        "/healthz": _get("Whether the process is alive", {}),
        "/readyz": _get("Whether requests are answered", {"503": "They are being refused."}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "SISF", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"key": []}, {}],
    }


def _enum(values: Any) -> dict[str, Any]:
    return {"enum": [value.value for value in values]}


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _answer(always: dict[str, Any], **sometimes: Any) -> dict[str, Any]:
    """The form of an answer of our own: all that it may hold."""
    return {**always, "properties": {**always["properties"], **sometimes}, "additionalProperties": False}


_DECISION = _answer(
    _form(direction=_enum(Direction), action=_enum(Action), revision={"type": "integer"}),
    elapsed_us={"type": "number", "minimum": 0, "description": _INFORMED},
    matches={
        "type": "array",
        "items": _form(policy_id=_STRING, action=_enum(Action), origin=_STRING),
        "description": _INFORMED,
    },
)
_MODERATED = _form(
    flagged={"type": "boolean"}, categories=_ANY, category_scores=_ANY, category_applied_input_types=_ANY
)


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }


def _post(summary: str, request: dict[str, Any], answer: dict[str, Any], **more: str) -> dict[str, Any]:
    responses = {"200": _response("Done.", answer), **{k: _response(v) for k, v in {**_ERRORS, **more}.items()}}
    body = {"required": True, "content": {"application/json": {"schema": request}}}
    return {"post": {"summary": summary, "requestBody": body, "responses": responses}}


def _forwarded(what: str, request: dict[str, Any]) -> dict[str, Any]:
    made = _post(f"A {what}, inspected both ways", request, _ANY, **_UPSTREAM_ERRORS)
    done = made["post"]["responses"]["200"]
    done["content"]["text/event-stream"] = {"schema": _STRING}
    return made


def _get(summary: str, errors: dict[str, str]) -> dict[str, Any]:
    responses = {"200": _response("Done.", _ANY), **{k: _response(v) for k, v in errors.items()}}
    return {"get": {"summary": summary, "responses": responses}}


def _response(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema or _ANY}}}
