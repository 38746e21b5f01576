"""What OpenAI's chat, completions and embeddings may hold, and what vLLM, Ollama, llama.cpp and routers take beyond."""

from sisf.gateway.shapes import (
    Anything,
    Aside,
    Closed,
    Id,
    Many,
    Number,
    OneOf,
    Record,
    Seal,
    Shape,
    Tagged,
    Text,
    Together,
    keys,
    words,
)

TEXT, JSON, SHORT, ID, SEAL, NUMBER, ANY = Text(), Text(json=True), Text(short=True), Id(), Seal(), Number(), Anything()
EXPRESSION = OneOf(text=Text(expression=True), object=ANY, array=ANY)
NUMBERS, PADDING = Number(deep=True), Seal(padding=True)
IMAGE, AUDIO, VIDEO, FILE = Closed("image"), Closed("audio"), Closed("video"), Closed("file")
TOKENS, REFERENCE, TEMPLATE = Closed("tokens"), Closed("reference"), Closed("template")
STATUS = words("completed in_progress incomplete failed queued cancelled searching interpreting generating calling")
CACHE = Record({"type": words("ephemeral"), "ttl": words("5m 1h"), "scope": words("global organization")})
BREAKPOINT = Record({"mode": words("implicit explicit"), "ttl": words("5m 30m 1h 24h")})
CALLERS = Many(words("direct programmatic"))
TEXTS = OneOf(text=TEXT, array=Many(TEXT))
LABELS = OneOf(text=SHORT, array=Many(SHORT))

EFFORTS = words("none minimal low medium high xhigh max concise detailed auto")
REASONING = Record(
    {
        **keys(NUMBER, "max_tokens exclude enabled"),
        **keys(EFFORTS, "effort summary generate_summary"),
        "context": words("auto current_turn all_turns"),
        "mode": SHORT,
        "encrypted_content": SEAL,
    }
)
THINKING_SETTING = Record(
    {
        "type": words("enabled disabled adaptive"),
        **keys(NUMBER, "budget_tokens clear_thinking"),
        "block_binding": Record({"prefix_mismatch_behavior": words("error drop_block")}),
        "display": words("summarized omitted"),
    }
)
SAMPLING: dict[str, Shape] = {
    **keys(
        NUMBER,
        """
        temperature top_p top_k top_a min_p typical_p tfs_z n best_of seed max_tokens max_completion_tokens min_tokens
        presence_penalty frequency_penalty repetition_penalty length_penalty repeat_penalty repeat_last_n penalize_nl
        logprobs top_logprobs prompt_logprobs stream store echo parallel_tool_calls ignore_eos skip_special_tokens
        spaces_between_special_tokens add_generation_prompt continue_final_message add_special_tokens
        include_stop_str_in_output include_reasoning use_beam_search truncate_prompt_tokens priority
        return_tokens_as_token_ids return_token_ids mirostat mirostat_tau mirostat_eta num_ctx num_predict num_keep
        n_predict n_keep n_probs min_keep cache_prompt id_slot dynatemp_range dynatemp_exponent xtc_probability
        xtc_threshold dry_multiplier dry_base dry_allowed_length dry_penalty_last_n safe_prompt random_seed raw
        enable_thinking post_sampling_probs return_progress timings_per_token
        """,
    ),
    **keys(Number(deep=True), "stop_token_ids dry_sequence_breakers_ids lora"),
    **keys(TOKENS, "prompt_token_ids allowed_token_ids prompt_embeds prompt_ids input_ids prompt_tokens_ids context"),
    "model": Aside(SHORT),
    **keys(SHORT, "user safety_identifier prompt_cache_key session_id request_id route cache_salt reasoning_format"),
    **keys(LABELS, "stop stop_sequences models transforms bad_words samplers preserved_tokens response_fields"),
    **keys(TEXT, "input_prefix input_suffix"),
    "structural_tag": OneOf(text=Text(json=True, expression=True), object=ANY, array=ANY),
    **keys(EXPRESSION, "guided_regex guided_grammar guided_whitespace_pattern grammar"),
    "kv_transfer_params": REFERENCE,
    **keys(words("auto default flex priority scale standard_only"), "service_tier"),
    **keys(EFFORTS, "reasoning_effort verbosity"),
    **keys(words("24h in-memory in_memory"), "prompt_cache_retention"),
    "stream_options": Record(keys(NUMBER, "include_usage include_obfuscation continuous_usage_stats")),
    "logit_bias": NUMBERS,
    "keep_alive": SHORT,
    "think": words("low medium high"),
    "reasoning": REASONING,
    "thinking": THINKING_SETTING,
    **keys(
        ANY,
        """
        metadata response_format format options guided_json guided_choice
        guided_decoding_backend structured_outputs json_schema provider usage
        chat_template_kwargs mm_processor_kwargs documents web_search_options dry_sequence_breakers moderation
        prompt_cache_options media_io_kwargs repetition_detection vllm_xargs grammar_triggers input_extra
        """,
    ),
    **keys(TEMPLATE, "chat_template template"),
    **keys(IMAGE, "images image image_url image_data multimodal_data"),
    **keys(FILE, "plugins"),
}  # fmt: skip
"""Keys of requests that chat and completions share."""


def unseen_part(kind: Closed, listed: str) -> Shape:
    """A part of which these keys hold what cannot be inspected."""
    more: dict[str, Shape] = {
        "cache_control": CACHE,
        "prompt_cache_breakpoint": BREAKPOINT,
        "transformations": Record({"oversized_image": words("downsize error")}),
        "detail": words("auto low high original"),
        "id": ID,
        "status": STATUS,
    }
    formats = keys(words("wav mp3 flac opus pcm16 pcm ogg"), "format")
    return Record({**keys(kind, listed), **more, **formats, **keys(SHORT, "filename mime_type media_type uuid")})


UNSEEN_PARTS: dict[str, Shape] = {
    **keys(
        unseen_part(IMAGE, "image_url image source image_embeds image_pil image_file url data file_id base64"),
        "image_url input_image image image_embeds image_pil image_file computer_screenshot output_image",
    ),
    **keys(unseen_part(AUDIO, "input_audio audio audio_url audio_embeds source data url"),
           "input_audio audio audio_url audio_embeds output_audio"),
    **keys(unseen_part(VIDEO, "video video_url input_video source data url"), "video video_url input_video"),
    **keys(unseen_part(FILE, "file file_id file_url file_data document document_url source data url input_file"),
           "file input_file document_url media container_upload"),
    **keys(unseen_part(TOKENS, "prompt_embeds embeds token_ids data"), "prompt_embeds token_ids"),
}  # fmt: skip
"""Parts of a content that hold no text, in the spellings of all APIs and servers."""

THINKING = Record({"thinking": OneOf(text=TEXT, array=Many(ANY)), "signature": SEAL, "cache_control": CACHE})
REDACTED = Record({"data": SEAL, "cache_control": CACHE})

_PART = Tagged(
    {
        **UNSEEN_PARTS,
        **keys(
            Record(
                {
                    "text": TEXT,
                    "cache_control": CACHE,
                    "prompt_cache_breakpoint": BREAKPOINT,
                    **keys(Aside(ANY), "annotations citations"),
                }
            ),
            "text input_text output_text",
        ),
        "refusal": Record({"refusal": TEXT}),
        "thinking": THINKING,
        "redacted_thinking": REDACTED,
        "reasoning": Record({"text": TEXT, "reasoning": TEXT, "signature": SEAL}),
    },
)
_CONTENT = OneOf(text=TEXT, array=Many(OneOf(text=TEXT, object=_PART)), object=_PART)
TOOL_CONTENT = OneOf(text=JSON, array=Many(OneOf(text=JSON, object=_PART)), object=_PART)
_FUNCTION = Record({"name": SHORT, "arguments": OneOf(text=JSON, object=ANY, array=ANY)})
CALL = Record(
    {
        "id": ID,
        "type": words("function custom"),
        "index": NUMBER,
        "function": _FUNCTION,
        "custom": Record({"name": SHORT, "input": OneOf(text=JSON, object=ANY)}),
        "extra_content": ANY,
        "provider_specific_fields": ANY,
    }
)
REASONING_DETAILS = Many(
    Tagged(
        {
            "reasoning.text": Record({"text": TEXT, "signature": SEAL, "id": ID, "format": SHORT, "index": NUMBER}),
            "reasoning.summary": Record({"summary": TEXT, "id": ID, "format": SHORT, "index": NUMBER}),
            "reasoning.encrypted": Record({"data": SEAL, "id": ID, "format": SHORT, "index": NUMBER}),
        }
    )
)
_MESSAGE: dict[str, Shape] = {
    "role": words("user assistant system developer tool function"),
    "name": SHORT,
    "tool_call_id": ID,
    "tool_calls": Many(CALL),
    "function_call": _FUNCTION,
    "cache_control": CACHE,
    "reasoning_details": REASONING_DETAILS,
    "annotations": Aside(ANY),
    "provider_specific_fields": Aside(ANY),
    "thinking_blocks": Many(Tagged({"thinking": THINKING, "redacted_thinking": REDACTED})),
    "images": IMAGE,
    "citations": Aside(ANY),
    "id": ID,
    **keys(TEXT, "refusal reasoning reasoning_content thinking tool_name tool_plan"),
    **keys(NUMBER, "prefix partial weight is_error"),
}
MESSAGE = Record({**_MESSAGE, "content": _CONTENT, "audio": AUDIO})
TOOL_MESSAGE = Record({**_MESSAGE, "content": TOOL_CONTENT, "audio": AUDIO})
ANSWER = Record(
    {
        **_MESSAGE,
        "content": _CONTENT,
        "audio": Record({"id": ID, "data": AUDIO, "transcript": TEXT, "expires_at": NUMBER, "format": SHORT}),
    }
)

TOOL = Together(
    Tagged(
        {
            "function": Record(
                {
                    "function": ANY,
                    "name": SHORT,
                    "description": TEXT,
                    "parameters": ANY,
                    "strict": NUMBER,
                    "cache_control": CACHE,
                }
            ),
            "custom": Record({"custom": ANY, "cache_control": CACHE}),
            **keys(Record({**keys(ANY, "web_search user_location filters search_context_size")}),
                   "web_search web_search_preview"),
        },
        default="function",
    )
)  # fmt: skip
CHAT = Record(
    {
        **SAMPLING,
        "messages": ANY,  # read one by one
        "tools": Many(TOOL),
        "functions": Many(Together(ANY)),
        "tool_choice": ANY,
        "function_call": ANY,
        "modalities": Many(words("text audio")),
        "audio": Record({"voice": ANY, "format": words("wav mp3 flac opus pcm16 aac")}),
        "prediction": Record({"type": words("content"), "content": _CONTENT}),
    }
)
COMPLETION = Record({**SAMPLING, "prompt": ANY, "suffix": TEXT, "system": TEXT})
EMBEDDING = Record(
    {
        **keys(NUMBER, "dimensions truncate_prompt_tokens add_special_tokens normalize priority truncate"),
        "model": Aside(SHORT),
        **keys(SHORT, "user input_type task safety_identifier prompt_name keep_alive"),
        **keys(words("float base64 int8 uint8 binary ubinary"), "encoding_format embedding_format"),
        **keys(ANY, "options metadata"),
        "input": ANY,
    }
)
_FILTERED = words("safe low medium high hate self_harm sexual violence")
_VERDICT = Record(
    {
        **keys(NUMBER, "filtered detected"),
        "severity": _FILTERED,
        "details": Many(Record({"id": SHORT, "filtered": NUMBER})),
        "citation": Record({"URL": SHORT, "url": SHORT, "license": SHORT}),
    }
)
_FILTERS = Record(
    {
        **keys(
            _VERDICT,
            """
            hate self_harm sexual violence jailbreak profanity custom_blocklists indirect_attack protected_material_text
            protected_material_code ungrounded_material
            """,
        ),
        "error": Record({"code": SHORT, "message": SHORT}),
    }
)
FILTERS: dict[str, Shape] = {
    "content_filter_results": Aside(_FILTERS),
    "content_filter_result": Aside(_FILTERS),
    "content_filter_offsets": NUMBERS,
    "prompt_filter_results": Aside(
        Many(Record({"prompt_index": NUMBER, "content_filter_results": _FILTERS, "content_filter_result": _FILTERS}))
    ),
}
"""What Azure says beside an answer."""
FINISHED = words(
    """
    stop length tool_calls content_filter function_call eos eos_token error abort end_turn max_tokens stop_sequence
    recitation safety other load model_length insufficient_system_resource repetition STOP MAX_TOKENS SAFETY
    """
)
USAGE = NUMBERS
ANSWER_META: dict[str, Shape] = {
    "id": ID,
    "object": words("chat.completion chat.completion.chunk text_completion list"),
    "model": Aside(SHORT),
    "created": NUMBER,
    "usage": USAGE,
    "system_fingerprint": ID,
    "service_tier": words("auto default flex priority scale standard standard_only on_demand"),
    "timings": NUMBERS,
    "time_info": NUMBERS,
    "provider": Aside(SHORT),
    "obfuscation": PADDING,
    **FILTERS,
}
"""What stands around the choices of an answer."""
CHOICE_META: dict[str, Shape] = {
    "index": NUMBER,
    "finish_reason": FINISHED,
    "native_finish_reason": FINISHED,
    "stop_reason": FINISHED,
    "matched_stop": NUMBER,
    **FILTERS,
}
ERROR = Record(
    {"message": TEXT, "type": SHORT, "code": SHORT, "param": SHORT, "status": NUMBER, "failed_generation": TEXT}
)
EVENT_META: dict[str, Shape] = {**ANSWER_META, "type": words("ping keepalive heartbeat"), "error": ERROR}
"""What stands around the choices of a stream event, or in one without choices."""
