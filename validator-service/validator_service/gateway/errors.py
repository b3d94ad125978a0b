"""What the gateway refuses, in the words that OpenAI's clients know.

Refusal
├── InvalidRequest          400  a parameter has a value it cannot have
│   ├── UnsupportedParameter     … or asks for what this gateway does not do
│   └── ContextLengthExceeded    … or the prompt is longer than any model reads
├── ModelNotFound           404
├── TooManyCalls            429  as many under way as the gateway takes
├── RateLimited             429  this account asks more than it may
└── NoServerAvailable       503  nobody who could answer does
"""

from taonet.kit.errors import NotFound, Refusal, TooMany, Unavailable

TYPES = {
    401: "authentication_error",
    402: "insufficient_balance",
    403: "permission_error",
    429: "rate_limit_error",
    503: "server_error",
}


class InvalidRequest(Refusal):
    status = 400
    openai_code = "invalid_value"

    def __init__(self, param: str | None, message: str) -> None:
        super().__init__(message)
        self.param = param


class UnsupportedParameter(InvalidRequest):
    openai_code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    openai_code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_length: int) -> None:
        super().__init__(
            "messages",
            f"the prompt has {prompt_tokens} tokens; the model reads {context_length} with the "
            "answer included: shorten the prompt",
        )


class ModelNotFound(NotFound):
    openai_code = "model_not_found"
    param = "model"

    def __init__(self, model: str) -> None:
        super().__init__(f"there is no model {model[:100]!r}; GET /v1/models lists them")


class TooManyCalls(TooMany):
    openai_code = "rate_limit_exceeded"


class RateLimited(TooMany):
    openai_code = "rate_limit_exceeded"

    def __init__(self, unit: str, per_minute: int, retry_seconds: float) -> None:
        super().__init__(
            f"an account may ask {per_minute} {unit} a minute; try again in {retry_seconds:.1f} s"
        )
        self.retry_seconds = retry_seconds


class NoServerAvailable(Unavailable):
    openai_code = "no_server_available"


OPENAI_CODES = {
    "BodyTooSlow": "request_timeout",
    "TooLarge": "request_too_large",
    "InvalidApiKey": "invalid_api_key",
    "InsufficientBalance": "insufficient_balance",
    "SpendingCapReached": "spending_cap_reached",
    "NoSuchKey": "key_not_found",
    "InsufficientScope": "insufficient_scope",
    "AlreadyMade": "idempotency_conflict",
    "AnotherQuestion": "idempotency_conflict",
}


def openai_error(refusal: Refusal) -> dict[str, object]:
    """Return a refusal in OpenAI's shape, with its further facts beside."""
    code = getattr(refusal, "openai_code", None) or OPENAI_CODES.get(refusal.code, refusal.code)
    return {
        "error": {
            "message": refusal.message,
            "type": TYPES.get(refusal.status, "invalid_request_error"),
            "param": getattr(refusal, "param", None),
            "code": code,
            **refusal.details,
        }
    }
