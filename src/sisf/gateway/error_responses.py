"""What the endpoints on Starlette answer when something went wrong."""

from starlette.responses import Response

from sisf.errors import HttpFailure
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.failures import retry_after


def as_response(failure: HttpFailure) -> Response:
    """A failure in OpenAI's form, with the headers that say when to try again."""
    body = openai_error(failure.status, failure.code, failure.message, failure.param)
    headers = {name.decode(): value.decode() for name, value in retry_after(failure)}
    return Response(body, failure.status, headers, "application/json")
