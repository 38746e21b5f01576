"""What 401 and 403 of a model's server are about: the gateway's own key, or what the client asked for."""

import re

_ABOUT_THE_REQUEST = re.compile(
    rb"moderat|flagged|content.?(?:policy|filter|management)|safety|responsible.?ai|guardrail"
    rb"|(?:access|permitted|allowed|authorized)[^\"]{0,40}\bmodel"
    rb"|model[_ ](?:not[_ ]found|access)|model[^\"]{0,60}access"
    rb"|unsupported_country|not (?:available|supported) in your (?:region|country)",
    re.IGNORECASE,
)
_ABOUT_THE_KEY = re.compile(
    rb"api.?key|subscription.?key|credential|authenticat|bearer|unauthori[sz]ed|signature|expired|revoked"
    rb"|(?:invalid|incorrect|missing|wrong)[^\"]{0,20}(?:key|token)",
    re.IGNORECASE,
)


def about_the_key(status: int, body: bytes) -> bool:
    """Whether a refusal is about the key that was sent. 401 is, and 403 is not, unless the body says otherwise."""
    if _ABOUT_THE_REQUEST.search(body):
        return False
    return status == 401 or _ABOUT_THE_KEY.search(body) is not None
