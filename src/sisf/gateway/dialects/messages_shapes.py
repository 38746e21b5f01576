"""What Anthropic's messages may hold."""

from sisf.gateway.dialects.openai_shapes import (
    ANY,
    CACHE,
    EFFORTS,
    FILE,
    ID,
    IMAGE,
    JSON,
    LABELS,
    NUMBER,
    REDACTED,
    REFERENCE,
    SAMPLING,
    SEAL,
    SHORT,
    TEXT,
    THINKING,
    THINKING_SETTING,
    UNSEEN_PARTS,
    USAGE,
)
from sisf.gateway.shapes import Aside, Many, OneOf, Record, Shape, Tagged, Text, Together, keys, words

_PLACES = keys(
    NUMBER,
    """
    document_index start_char_index end_char_index start_page_number end_page_number start_block_index end_block_index
    search_result_index
    """,
)
_CITATION = Tagged(
    dict.fromkeys(
        (
            "char_location",
            "page_location",
            "content_block_location",
            "search_result_location",
            "web_search_result_location",
        ),
        Record(
            {
                **_PLACES,
                **keys(Text(), "cited_text document_title title source url"),
                "file_id": ID,
                "encrypted_index": SEAL,
            }
        ),
    )
)
_CITATIONS = OneOf(array=Many(Aside(_CITATION)), object=Record({"enabled": NUMBER}))
_WRITTEN = Record({"text": TEXT, "cache_control": CACHE, "citations": _CITATIONS})
_TEXT_BLOCKS = OneOf(text=TEXT, array=Many(Tagged({"text": _WRITTEN})))
_SOURCE = Tagged(
    {
        "text": Record({"data": TEXT, "media_type": words("text/plain")}),
        "content": Record({"content": OneOf(text=TEXT, array=Many(Tagged({"text": _WRITTEN, "image": IMAGE})))}),
        **keys(FILE, "base64 url file"),
    }
)
_DOCUMENT = Record(
    {
        "source": _SOURCE,
        **keys(Text(), "title context"),
        "citations": Record({"enabled": NUMBER}),
        "cache_control": CACHE,
    }
)
_SEARCH_RESULT = Record(
    {
        "source": SHORT,
        "title": TEXT,
        "content": _TEXT_BLOCKS,
        "citations": Record({"enabled": NUMBER}),
        "cache_control": CACHE,
    }
)
_CALLER = Record({"type": SHORT, "tool_id": ID})
_USE: dict[str, Shape] = {
    "id": ID,
    "name": SHORT,
    "input": ANY,
    "cache_control": CACHE,
    "caller": _CALLER,
    "server_name": SHORT,
    "toolset_name": SHORT,
}
_INNER: dict[str, Shape] = {
    "text": _WRITTEN,
    "document": _DOCUMENT,
    "search_result": _SEARCH_RESULT,
    "tool_reference": Record({"tool_name": SHORT, "cache_control": CACHE}),
    "browser_state": Record({**keys(ANY, "tabs state_changes"), "cache_control": CACHE}),
    **{kind: shape for kind, shape in UNSEEN_PARTS.items() if kind not in ("document", "media")},
}
_TOLD = Tagged({**_INNER, "text": Record({"text": JSON, "cache_control": CACHE, "citations": _CITATIONS})})
_RESULT = OneOf(text=JSON, array=Many(_TOLD), object=_TOLD)
_FOUND = Tagged(
    {
        "web_search_result": Record({**keys(Text(), "title url"), "page_age": SHORT, "encrypted_content": SEAL}),
        "web_search_tool_result_error": Record({"error_code": SHORT}),
    }
)
_ADVISED = Tagged(
    {
        "advisor_result": Record({"text": TEXT, "stop_reason": SHORT}),
        "advisor_redacted_result": Record({"encrypted_content": SEAL, "stop_reason": SHORT}),
        "advisor_tool_result_error": Record({"error_code": SHORT}),
    }
)
_PRODUCED: dict[str, Shape] = {
    **keys(TEXT, "stdout stderr"),
    "return_code": NUMBER,
    "encrypted_stdout": SEAL,
    "content": Many(Record({"type": SHORT, "file_id": FILE})),
}
_RAN = Tagged(
    {
        **keys(
            Record(_PRODUCED),
            "code_execution_result encrypted_code_execution_result bash_code_execution_result",
        ),
        "web_fetch_result": Record({"url": TEXT, "retrieved_at": SHORT, "content": Tagged({"document": _DOCUMENT})}),
        **keys(
            Record(
                {
                    **keys(Text(), "content old_content new_content lines error_message"),
                    **keys(SHORT, "file_type error_code"),
                    **keys(NUMBER, "num_lines start_line total_lines is_file_update new_lines new_start old_lines"),
                    "old_start": NUMBER,
                }
            ),
            "text_editor_code_execution_view_result text_editor_code_execution_create_result",
        ),
        "text_editor_code_execution_str_replace_result": Record(
            {"lines": OneOf(array=Many(TEXT)), **keys(NUMBER, "new_lines new_start old_lines old_start")}
        ),
        "tool_search_tool_search_result": Record({"tool_references": Many(Tagged({"tool_reference": ANY}))}),
        **keys(
            Record({"error_code": SHORT, "error_message": TEXT}),
            """
            web_fetch_tool_result_error code_execution_tool_result_error bash_code_execution_tool_result_error
            text_editor_code_execution_tool_result_error tool_search_tool_result_error
            """,
        ),
    }
)


def _result(content: Shape) -> Record:
    return Record(
        {
            "tool_use_id": ID,
            "content": content,
            "is_error": NUMBER,
            "cache_control": CACHE,
            "caller": _CALLER,
            "toolset_name": SHORT,
        }
    )


BLOCK = Tagged(
    {
        **_INNER,
        "thinking": THINKING,
        "redacted_thinking": REDACTED,
        **keys(Record(_USE), "tool_use server_tool_use mcp_tool_use"),
        "tool_result": _result(_RESULT),
        "mcp_tool_result": _result(_RESULT),
        "web_search_tool_result": _result(OneOf(array=Many(_FOUND), object=_FOUND)),
        **keys(
            _result(_RAN),
            """
            web_fetch_tool_result code_execution_tool_result bash_code_execution_tool_result
            text_editor_code_execution_tool_result tool_search_tool_result
            """,
        ),
        "compaction": Record(
            {
                "content": TEXT,
                "cache_control": CACHE,
                **keys(SEAL, "encrypted_content signature"),
                "tool_changes": ANY,
            }
        ),
        "advisor_tool_result": _result(_ADVISED),
        **keys(Record({"tool": ANY, "cache_control": CACHE}), "tool_addition tool_removal"),
        "mcp_tool_listing": Record({"mcp_server_name": SHORT, "tools": ANY}),
        "fallback": Record(keys(ANY, "from to trigger")),
    }
)
CONTENT = OneOf(text=TEXT, array=Many(OneOf(text=TEXT, object=BLOCK)), object=BLOCK)
_TOOL = Record(
    {
        **keys(SHORT, "name type mcp_server_name"),
        "description": TEXT,
        "input_schema": ANY,
        "input_examples": ANY,
        "cache_control": CACHE,
        **keys(
            NUMBER,
            """
            strict defer_loading eager_input_streaming max_uses display_width_px display_height_px display_number
            max_characters max_content_tokens enable_zoom use_cache
            """,
        ),
        **keys(LABELS, "allowed_domains blocked_domains allowed_callers"),
        "user_location": ANY,
        "citations": Record({"enabled": NUMBER}),
        "model": Aside(SHORT),
        "response_inclusion": SHORT,
        **keys(ANY, "configs default_config tools url_sources caching"),
    }
)
REQUEST = Record(
    {
        **{
            key: SAMPLING[key]
            for key in """
            model max_tokens temperature top_p top_k stream stop_sequences service_tier metadata min_p
            repetition_penalty chat_template chat_template_kwargs prompt_token_ids prompt_embeds images
            """.split()
        },
        "messages": ANY,  # read one by one
        "system": CONTENT,
        "tools": Many(Together(_TOOL)),
        "tool_choice": ANY,
        "thinking": THINKING_SETTING,
        "container": REFERENCE,
        "mcp_servers": REFERENCE,
        "betas": LABELS,
        "cache_control": CACHE,
        **keys(REFERENCE, "thread"),
        **keys(SHORT, "user_profile_id workspace_id"),
        "fallback_credit_token": ANY,
        **keys(ANY, "context_management output_config output_format billing_policy compaction fallbacks diagnostics"),
        **keys(EFFORTS, "effort speed inference_geo"),
    }
)
STOPPED = words(
    """
    end_turn max_tokens stop_sequence tool_use pause_turn refusal model_context_window_exceeded compaction stop length
    """
)
ANSWER_META: dict[str, Shape] = {
    "id": ID,
    "type": words("message"),
    "role": words("assistant"),
    "model": Aside(SHORT),
    "stop_reason": STOPPED,
    "stop_sequence": Aside(SHORT),
    "usage": USAGE,
    "container": Aside(Record({"id": ID, "expires_at": SHORT})),
    "context_management": Aside(ANY),
    "stop_details": Aside(ANY),
}
"""What stands around the content of an answer."""
EVENT_META: dict[str, Shape] = {
    "type": words(
        """
        message_start content_block_start content_block_delta content_block_stop message_delta message_stop ping error
        """
    ),
    "index": NUMBER,
    "usage": USAGE,
    "context_management": Aside(ANY),
    "error": Record({"type": SHORT, "message": TEXT, "details": ANY}),
    "request_id": ID,
}
"""What stands in an event beside its block, delta or message."""
MESSAGE_META = {
    key: shape
    for key, shape in ANSWER_META.items()
    if key in ("stop_reason", "stop_sequence", "container", "stop_details")
}
"""What the `delta` of a `message_delta` holds."""
DELTAS = Tagged(
    {
        "text_delta": Record({"text": TEXT}),
        "thinking_delta": Record({"thinking": TEXT, "estimated_tokens": NUMBER}),
        "input_json_delta": Record({"partial_json": TEXT}),
        "signature_delta": Record({"signature": SEAL}),
        "citations_delta": Record({"citation": Aside(_CITATION)}),
        "compaction_delta": Record({"content": TEXT, **keys(SEAL, "encrypted_content signature"), "tool_changes": ANY}),
    }
)
