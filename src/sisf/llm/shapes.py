"""What a request to the small servers looks like: the fields that they read, what each may be, and nothing else.

A field that is not named here is ignored, as these models have no use for it. `null` is as good as leaving a field out.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

MOST_CHOICES = 16
"""Of a model that transformers loads: each takes a while."""
FewTokens = Annotated[int, Meta(ge=1, le=32_768)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Temperature = Annotated[float, Meta(ge=0, le=2)]


class Schema(Struct, rename={"defs": "$defs", "ref": "$ref"}):
    """What is read of a JSON Schema."""

    type: str | list[str] | None = None
    properties: "dict[str, Schema | bool] | None" = None
    items: "Schema | bool | None" = None
    minItems: Annotated[int, Meta(ge=0, le=1_000)] | None = None  # noqa: N815 - JSON Schema's name
    enum: Annotated[list[Any], Meta(min_length=1)] | None = None
    anyOf: "list[Schema | bool] | None" = None  # noqa: N815
    oneOf: "list[Schema | bool] | None" = None  # noqa: N815
    allOf: "list[Schema | bool] | None" = None  # noqa: N815
    defs: "dict[str, Schema | bool] | None" = None
    ref: str | None = None


class Part(Struct):
    """A part of what is said: a text, or something that these models do not read."""

    text: str | None = None


class Said(Struct):
    """A message of chat completions."""

    role: str
    content: str | list[Part] | None = None


class Named(Struct):
    """The function that a choice demands."""

    name: str | None = None


class Streaming(Struct):
    """How a stream is sent."""

    include_usage: bool | None = None


class Function(Struct):
    """A function that may be called."""

    name: str
    parameters: Schema | None = None


class ChatTool(Struct):
    """A tool of chat completions."""

    type: str
    function: Function | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` where the function is missing."""
        if self.type == "function" and self.function is None:
            raise ValueError("a tool of type `function` needs an object `function`")


class ChatChoice(Struct):
    """Which tool is demanded."""

    type: str | None = None
    function: Named | None = None


class ChatSchema(Struct):
    """The schema of an answer."""

    schema: Schema | None = None


class ChatForm(Struct):
    """The form of an answer."""

    type: str
    json_schema: ChatSchema | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` where the schema is missing."""
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("a form of type `json_schema` needs an object `json_schema`")


class Chat(Struct):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Said], Meta(min_length=1)]
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: AtLeastOne | None = None
    max_completion_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    tools: list[ChatTool] | None = None
    tool_choice: str | ChatChoice | None = None
    response_format: ChatForm | None = None
    stream: bool | None = None
    stream_options: Streaming | None = None


class Item(Struct):
    """An item of the input of responses: a message, a call, what came of it, or something that says nothing."""

    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | dict[str, Any] | None = None


class ResponsesTool(Struct):
    """A tool of responses."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Schema | None = None


class ResponsesForm(Struct):
    """The form of an answer."""

    type: str
    schema: Schema | None = None


class ResponsesText(Struct):
    """How an answer is written."""

    format: ResponsesForm | None = None


class Responses(Struct):
    """`POST /v1/responses`."""

    input: str | Annotated[list[Item], Meta(min_length=1)]
    model: str | None = None
    instructions: str | None = None
    max_output_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[ResponsesTool] | None = None
    tool_choice: str | Named | None = None
    text: ResponsesText | None = None
    stream: bool | None = None


class Block(Struct):
    """A block of a message of Anthropic's."""

    type: str | None = None
    text: str | None = None
    content: str | list[Part] | dict[str, Any] | None = None
    """What a tool said; of other blocks whatever their kind holds."""


class Turn(Struct):
    """A message of Anthropic's."""

    role: str
    content: str | list[Block]


class MessagesTool(Struct):
    """A tool of Anthropic's messages."""

    name: str
    input_schema: Schema | None = None


class MessagesChoice(Struct):
    """Which tool is demanded."""

    type: str
    name: str | None = None


class Messages(Struct):
    """`POST /v1/messages`."""

    messages: Annotated[list[Turn], Meta(min_length=1)]
    model: str | None = None
    system: str | list[Part] | None = None
    max_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    tools: list[MessagesTool] | None = None
    tool_choice: MessagesChoice | None = None
    stream: bool | None = None


class Written(Struct, kw_only=True):
    """How a model that transformers loads writes."""

    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=MOST_CHOICES)] | None = None
    max_tokens: FewTokens | None = None
    max_completion_tokens: FewTokens | None = None
    temperature: Temperature | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: Streaming | None = None


class WrittenChat(Written):
    """`POST /v1/chat/completions` of such a model."""

    messages: Annotated[list[Said], Meta(min_length=1)]


class WrittenText(Written):
    """`POST /v1/completions` of such a model."""

    prompt: str | Annotated[list[str], Meta(min_length=1)]
