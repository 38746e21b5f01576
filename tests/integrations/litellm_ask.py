"""Asks with LiteLLM's SDK what stands on each line of its input. Runs in LiteLLM's own environment."""

import json
import sys
from typing import Any

import litellm


def chat(job: dict[str, Any], model: str, **more: Any) -> dict[str, Any]:
    """Chat completions, and Anthropic's messages, which LiteLLM translates."""
    messages = [{"role": "user", "content": job["prompt"]}]
    asked = {"model": model, "messages": messages, "max_tokens": 9, "api_key": "none", "num_retries": 0, **more}
    if job["tools"]:
        asked["tools"] = [{"type": "function", "function": {"name": job["tools"], "parameters": job["schema"]}}]
    elif job["schema"]:
        form = {"name": "form", "schema": job["schema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": form}
    if not job["stream"]:
        choice = litellm.completion(**asked).choices[0]
        calls = [call.function.arguments for call in choice.message.tool_calls or ()]
        return {"text": choice.message.content or "", "call": "".join(calls), "reason": choice.finish_reason}
    choices = [choice for part in litellm.completion(**asked, stream=True) for choice in part.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "call": "".join(c.function.arguments or "" for choice in choices for c in choice.delta.tool_calls or ()),
        "reason": next((choice.finish_reason for choice in reversed(choices) if choice.finish_reason), None),
    }


def responses(job: dict[str, Any]) -> dict[str, Any]:
    """Responses."""
    asked = {"model": "openai/m", "input": job["prompt"], "api_base": job["url"] + "/v1", "api_key": "none"}
    if job["tools"]:
        asked["tools"] = [{"type": "function", "name": job["tools"], "parameters": job["schema"]}]
    elif job["schema"]:
        asked["text"] = {"format": {"type": "json_schema", "name": "form", "schema": job["schema"]}}
    if job["stream"]:
        events = list(litellm.responses(**asked, stream=True))
        done = events[-1].response
    else:
        done = litellm.responses(**asked)
    text, call = "", ""
    for item in done.output:
        read = item if isinstance(item, dict) else item.model_dump()
        call += read.get("arguments") or ""
        text += "".join(part.get("text") or "" for part in read.get("content") or ())
    ends = done.incomplete_details
    reason = ends.get("reason") if isinstance(ends, dict) else getattr(ends, "reason", None)
    return {"text": text, "call": call, "reason": reason}


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """What LiteLLM makes of an answer, or the status of the error that it raises."""
    try:
        if job["api"] == "responses":
            return responses(job)
        if job["api"] == "messages":
            return chat(job, "anthropic/m", api_base=job["url"])
        return chat(job, "openai/m", api_base=job["url"] + "/v1")
    except Exception as error:  # noqa: BLE001 - LiteLLM's errors have no class in common but this one
        return {"status": getattr(error, "status_code", 0), "said": str(error)[:500]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
