"""What requests of all APIs have in common."""

from typing import Any

from sisf.errors import HttpFailure
from sisf.exchange import Message, Role
from sisf.gateway.texts import is_model_name, joined, strings


def around(tree: dict[str, Any], *known: str) -> list[Message]:
    """The texts of a request outside of its messages: each tool, each long string, and the short rest together."""
    messages: list[Message] = []
    rest: list[str] = []
    for key, value in tree.items():
        if key in known or (key == "model" and is_model_name(value)):
            continue
        if type(value) in _SCALARS and key in _REQUEST_KEYS:
            continue
        if key in ("tools", "functions") and isinstance(value, list):
            for index, tool in enumerate(value):
                messages += joined(Role.SYSTEM, tool, f"{key}[{index}]")
            continue
        for text in strings({key: value} if key not in _REQUEST_KEYS else value):
            if len(text) > 64 or " " in text:
                messages.append(Message(Role.SYSTEM, text, key))
            else:
                rest.append(text)
    return [Message(Role.SYSTEM, "\n".join(rest), "request"), *messages] if rest else messages


_SCALARS = (int, float, bool, type(None))
_REQUEST_KEYS = frozenset(
    """
    messages model stream stream_options temperature top_p n max_tokens max_completion_tokens stop presence_penalty
    frequency_penalty logit_bias logprobs top_logprobs user tools tool_choice functions function_call response_format
    seed parallel_tool_calls metadata store service_tier reasoning_effort verbosity modalities audio prediction
    safety_identifier prompt_cache_key web_search_options input instructions prompt suffix echo best_of system
    max_output_tokens previous_response_id include text truncation background max_tool_calls stop_sequences top_k
    thinking context_management conversation dimensions encoding_format output_config
    """.split()
)


def model_of(tree: dict[str, Any]) -> str:
    """The model that a request names. Raises `HttpFailure` when it is no string."""
    model = tree.get("model", "")
    if not isinstance(model, str):
        raise HttpFailure(400, "invalid_request", "`model` must be a string.", "model")
    return model


def streams(tree: dict[str, Any]) -> bool:
    """Whether a request asks for a stream. Raises `HttpFailure` for anything that readers could take both ways."""
    stream = tree.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise HttpFailure(400, "invalid_request", "`stream` must be true or false.", "stream")
    return bool(stream)
