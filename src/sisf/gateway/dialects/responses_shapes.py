"""What OpenAI's responses may hold."""

from typing import Any

from sisf.gateway.dialects.openai_shapes import (
    ANY,
    BREAKPOINT,
    CACHE,
    CALLERS,
    EFFORTS,
    FILE,
    ID,
    IMAGE,
    JSON,
    NUMBER,
    PADDING,
    REASONING,
    REFERENCE,
    SAMPLING,
    SEAL,
    SHORT,
    STATUS,
    TEXT,
    TEXTS,
    UNSEEN_PARTS,
    USAGE,
)
from sisf.gateway.shapes import Aside, Logprobs, Many, OneOf, Record, Shape, Tagged, Together, keys, words

_WRITTEN = Record(
    {
        "text": TEXT,
        "annotations": Aside(ANY),
        "cache_control": CACHE,
        "prompt_cache_breakpoint": BREAKPOINT,
        "parsed": ANY,
        "logprobs": Logprobs(),
    }
)
PART = Tagged(
    {
        **UNSEEN_PARTS,
        **keys(_WRITTEN, "input_text output_text text summary_text reasoning_text"),
        "refusal": Record({"refusal": TEXT}),
        "encrypted_content": Record({"encrypted_content": SEAL}),
    },
    default="text",
)
_CONTENT = OneOf(text=TEXT, array=Many(OneOf(text=TEXT, object=PART)), object=PART)
_OUTPUT = OneOf(text=JSON, array=Many(OneOf(text=JSON, object=PART)), object=PART)
_SAID = {
    "content": _CONTENT,
    "role": words("user assistant system developer"),
    "phase": words("commentary final_answer"),
}
_COMMON: dict[str, Shape] = {
    **keys(ID, "id call_id item_id approval_request_id container_id response_id environment_id"),
    "status": STATUS,
    "namespace": SHORT,
    "created_by": SHORT,
    "caller": Record({"type": SHORT, "caller_id": ID}),
}


def _item(**more: Any) -> Record:
    return Record({**_COMMON, **more})


_HOSTED = Record({"file_ids": FILE, "memory_limit": SHORT, "network_policy": ANY, "skills": REFERENCE})
_CONTAINER = OneOf(text=FILE, object=Tagged({"auto": _HOSTED}))
_ENVIRONMENT = Tagged(
    {"local": Record({"skills": ANY}), "container_auto": _HOSTED, "container_reference": Record({"container_id": FILE})}
)
_FORMAT = Record({"format": ANY, "verbosity": EFFORTS})
TOOL = Together(
    Tagged(
        {
            "function": Record(
                {
                    "name": SHORT,
                    "description": TEXT,
                    "parameters": ANY,
                    "strict": NUMBER,
                    "defer_loading": NUMBER,
                    "function": ANY,
                    "output_schema": ANY,
                    "allowed_callers": CALLERS,
                }
            ),
            "custom": Record(
                {
                    "name": SHORT,
                    "description": TEXT,
                    "format": ANY,
                    "defer_loading": NUMBER,
                    "allowed_callers": CALLERS,
                }
            ),
            "namespace": Record({"name": SHORT, "description": TEXT, "tools": ANY}),
            **keys(
                Record(
                    {
                        "filters": ANY,
                        "user_location": ANY,
                        "search_context_size": EFFORTS,
                        "external_web_access": NUMBER,
                        "search_content_types": ANY,
                    }
                ),
                "web_search web_search_2025_08_26 web_search_preview web_search_preview_2025_03_11",
            ),
            "file_search": REFERENCE,
            "mcp": REFERENCE,
            "code_interpreter": Record({"container": _CONTAINER, "allowed_callers": CALLERS}),
            "image_generation": Record(
                {
                    "input_image_mask": IMAGE,
                    **keys(SHORT, "action background input_fidelity model moderation output_format quality size"),
                    "complexity": EFFORTS,
                    "svg": ANY,
                    **keys(NUMBER, "output_compression partial_images"),
                }
            ),
            **keys(
                Record({**keys(NUMBER, "display_height display_width"), "environment": SHORT}),
                "computer_use_preview computer computer_use",
            ),
            **keys(Record({"environment": _ENVIRONMENT, "allowed_callers": CALLERS}), "local_shell shell"),
            **keys(
                Record({"execution": SHORT, "description": TEXT, "parameters": ANY, "allowed_callers": CALLERS}),
                "apply_patch tool_search",
            ),
            "programmatic_tool_calling": Record({}),
        },
        default="function",
    )
)
_ARGUMENTS = OneOf(text=JSON, object=ANY, array=ANY)
_RAN = Tagged(
    {
        "logs": Record({"logs": TEXT}),
        "image": Record({**keys(IMAGE, "url image_url file_id"), "filename": SHORT}),
        **UNSEEN_PARTS,
    }
)
ITEM = Tagged(
    {
        "message": _item(**_SAID),
        "function_call": _item(name=SHORT, arguments=_ARGUMENTS, parsed_arguments=ANY),
        "function_call_output": _item(output=_OUTPUT, name=SHORT),
        "custom_tool_call": _item(name=SHORT, input=_ARGUMENTS),
        "custom_tool_call_output": _item(output=_OUTPUT, name=SHORT),
        "reasoning": _item(
            summary=Many(OneOf(text=TEXT, object=PART)),
            content=Many(OneOf(text=TEXT, object=PART)),
            encrypted_content=SEAL,
            format=SHORT,
            signature=SEAL,
        ),
        "compaction": _item(encrypted_content=SEAL),
        "compaction_summary": _item(encrypted_content=SEAL),
        "item_reference": REFERENCE,
        "web_search_call": _item(action=ANY),
        "file_search_call": _item(queries=TEXTS, results=ANY),
        "code_interpreter_call": _item(code=TEXT, outputs=Many(_RAN)),
        "computer_call": _item(action=ANY, actions=ANY, pending_safety_checks=ANY),
        "computer_call_output": _item(output=IMAGE, acknowledged_safety_checks=ANY),
        "image_generation_call": _item(
            result=IMAGE, revised_prompt=TEXT, partial_image_b64=IMAGE, **keys(SHORT, "action background size"),
            **keys(SHORT, "quality output_format"), error=ANY, svg_usage=USAGE,
        ),
        **keys(_item(action=ANY, max_output_length=NUMBER, environment=_ENVIRONMENT), "local_shell_call shell_call"),
        **keys(_item(output=OneOf(text=JSON, array=ANY, object=ANY), max_output_length=NUMBER),
               "local_shell_call_output shell_call_output apply_patch_call_output"),
        "apply_patch_call": _item(operation=ANY),
        "mcp_call": _item(name=SHORT, server_label=SHORT, arguments=_ARGUMENTS, output=_ARGUMENTS, error=ANY),
        "mcp_list_tools": _item(server_label=SHORT, tools=ANY, error=ANY),
        "mcp_approval_request": _item(name=SHORT, server_label=SHORT, arguments=_ARGUMENTS),
        "mcp_approval_response": _item(approve=NUMBER, reason=TEXT),
        "additional_tools": _item(role=words("developer"), tools=Many(TOOL)),
        "configuration_update": _item(reasoning=REASONING, text=_FORMAT),
        "compaction_trigger": _item(),
        "program": _item(code=TEXT, fingerprint=ID),
        "program_output": _item(result=JSON),
        "tool_search_call": _item(arguments=_ARGUMENTS, execution=SHORT),
        "tool_search_output": _item(tools=ANY, execution=SHORT),
        **UNSEEN_PARTS,
        **keys(_WRITTEN, "input_text output_text text"),
    },
    default="message",
)  # fmt: skip
REQUEST = Record(
    {
        **{key: shape for key, shape in SAMPLING.items() if key not in ("response_format", "logprobs", "usage")},
        "input": ANY,  # read item by item
        "instructions": OneOf(text=TEXT, array=Many(ITEM)),
        "tools": Many(TOOL),
        "tool_choice": ANY,
        "text": _FORMAT,
        "reasoning": REASONING,
        "truncation": words("auto disabled"),
        "include": Many(
            words(
                """
                reasoning.encrypted_content message.output_text.logprobs web_search_call.action.sources
                code_interpreter_call.outputs computer_call_output.output.image_url file_search_call.results
                message.input_image.image_url web_search_call.results
                """
            )
        ),
        **keys(REFERENCE, "previous_response_id conversation prompt"),
        **keys(NUMBER, "max_output_tokens max_tool_calls background"),
        **keys(ANY, "context_management client_metadata access_programs"),
    }
)
ANSWER_META: dict[str, Shape] = {
    **keys(ID, "id previous_response_id"),
    "object": words("response"),
    "status": STATUS,
    "model": Aside(SHORT),
    "usage": USAGE,
    **keys(NUMBER, "created_at completed_at background max_output_tokens max_tool_calls parallel_tool_calls store"),
    **keys(NUMBER, "temperature top_p top_logprobs presence_penalty frequency_penalty"),
    "incomplete_details": Record({"reason": words("max_output_tokens content_filter max_tool_calls")}),
    "service_tier": words("auto default flex priority scale"),
    "truncation": words("auto disabled"),
    "reasoning": Aside(REASONING),
    "text": Aside(_FORMAT),
    **keys(
        Aside(ANY),
        "tools tool_choice metadata instructions user safety_identifier prompt_cache_key prompt conversation",
    ),
    "prompt_cache_retention": words("24h in-memory in_memory"),
    "obfuscation": PADDING,
}
"""What stands around the output of an answer, most of it repeated from the request."""
ECHOED = frozenset(
    "tools tool_choice metadata instructions user safety_identifier prompt_cache_key text reasoning".split()
)
"""Keys in which an answer repeats its request."""
_EVENTS = """
created queued in_progress completed failed incomplete output_item.added output_item.done content_part.added
content_part.done output_text.delta output_text.done output_text.annotation.added refusal.delta refusal.done
function_call_arguments.delta function_call_arguments.done custom_tool_call_input.delta custom_tool_call_input.done
reasoning_text.delta reasoning_text.done reasoning_summary_part.added reasoning_summary_part.done
reasoning_summary_text.delta reasoning_summary_text.done reasoning.delta reasoning.done
file_search_call.in_progress file_search_call.searching file_search_call.completed
web_search_call.in_progress web_search_call.searching web_search_call.completed
image_generation_call.in_progress image_generation_call.generating image_generation_call.partial_image
image_generation_call.completed mcp_call_arguments.delta mcp_call_arguments.done mcp_call.in_progress
mcp_call.completed mcp_call.failed mcp_list_tools.in_progress mcp_list_tools.completed mcp_list_tools.failed
code_interpreter_call.in_progress code_interpreter_call.interpreting code_interpreter_call.completed
code_interpreter_call_code.delta code_interpreter_call_code.done audio.delta audio.done audio.transcript.delta
audio.transcript.done
"""
EVENT_META: dict[str, Shape] = {
    "type": words(" ".join(f"response.{name}" for name in _EVENTS.split()) + " error ping keepalive"),
    **keys(
        NUMBER,
        "sequence_number output_index content_index summary_index annotation_index partial_image_index status_code",
    ),
    "item_id": ID,
    "obfuscation": PADDING,
    "annotation": Aside(ANY),
    **keys(SHORT, "code param"),
    "message": TEXT,
    "error": ANY,
    **keys(SHORT, "size quality background output_format"),
}
"""What stands in an event beside its texts."""
