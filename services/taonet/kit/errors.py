"""
What a service says when it will not do what was asked.

    Refusal                409  the request is well formed, and the answer is no
    ├── Malformed          422  the request can't be read as what it should be
    ├── Unauthenticated    401  nobody is known to have signed this
    ├── Forbidden          403  the signer may not do this
    ├── NotFound           404  there is no such thing
    ├── BodyTooSlow        408  the body did not arrive in time
    ├── TooLarge           413  a limit on size, which the message names
    ├── TooMany            429  a limit on rate, or a full queue: try again later
    ├── Unavailable        503  something this service stands on does not answer
    └── RemoteRefusal       …   another service said no, under its own code and status

A refusal is the caller's to mend, so its message says what to do. It is raised where the rule is
known and rendered in one place, `taonet.kit.web`. Our own mistakes are assertions instead.
"""

from typing import Any


class Refusal(Exception):
    """The request is understood and declined; nothing has changed."""

    status = 409

    def __init__(self, message: str, **details: Any) -> None:
        # What was asked may be quoted, and half of a surrogate pair can't be sent.
        self.message = message.encode(errors="backslashreplace").decode()
        super().__init__(self.message)
        self.details = details
        """Facts a program may use, such as the next nonce; JSON values only."""

    @property
    def code(self) -> str:
        """The refusal's name, as programs know it."""
        return type(self).__name__

    def as_json(self) -> dict[str, Any]:
        """Return the one shape that every service's errors have."""
        return {"error": {"code": self.code, "message": self.message, **self.details}}


class Malformed(Refusal):
    status = 422


class Unauthenticated(Refusal):
    status = 401


class Forbidden(Refusal):
    status = 403


class NotFound(Refusal):
    status = 404


class BodyTooSlow(Refusal):
    status = 408


class TooLarge(Refusal):
    status = 413


class TooMany(Refusal):
    status = 429


class Unavailable(Refusal):
    status = 503


class RemoteRefusal(Refusal):
    """Another service's refusal, as its client raises it."""

    def __init__(self, code: str, message: str, status: int = 409, **details: Any) -> None:
        super().__init__(message, **details)
        self._code = code
        self.status = status

    @property
    def code(self) -> str:
        return self._code

    def __str__(self) -> str:
        return f"{self._code}: {self.message}"
