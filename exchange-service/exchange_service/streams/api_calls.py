"""One request of the WebSocket API that is answered as over HTTP: from its admission to its answer.

What gives the engine a command waits for it without a task; everything else is a task of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from exchange_service.answers import Outcome
from exchange_service.domain.facts import Fact
from exchange_service.domain.refusals import Reason
from exchange_service.domain.weights import FREE
from exchange_service.engine import read_outcome
from exchange_service.errors import BinanceRefusal
from exchange_service.orders.preparing import Prepare
from exchange_service.parameters import Parameters
from exchange_service.streams.api_methods import Method
from taonet.kit.logging import get_logger

if TYPE_CHECKING:
    from exchange_service.streams.api_socket import Session

MISTAKE: Final = Reason(-1000, "An unknown error occurred while processing the request.")

log = get_logger(__name__)


class Call:
    """What a connection asks for."""

    __slots__ = ("_identity", "_method", "_parameters", "_session", "_unfilled", "_write")

    def __init__(
        self, session: "Session", method: Method, identity: Any, parameters: Parameters
    ) -> None:
        self._session, self._method = session, method
        self._identity, self._parameters = identity, parameters
        self._unfilled: list[int] = []
        """How many unfilled orders its account has with it, by rule; empty: it is no new order."""

    def begin(self, prepare: Prepare) -> None:
        """Hand the command to the engine, or refuse it."""
        try:
            signed, self._unfilled = self._session.admit(self._method, self._parameters)
            assert signed is not None, "whoever gives commands has signed them"
            prepared = prepare(signed)
            self._write: Callable[[list[Fact]], dict[str, Any]] = prepared.write
            self._session.submit(prepared.command, self._finish, signed.valid_until_ms)
        except Exception as error:
            self._refuse(error)

    def _finish(self, outcome: Outcome) -> None:
        self._session.commands -= 1
        try:
            result = self._write(read_outcome(outcome))
        except Exception as error:
            self._refuse(error)
        else:
            self._succeed(result)

    async def run(self) -> None:
        """Have the method's function answer, or refuse it."""
        try:
            signed, self._unfilled = self._session.admit(self._method, self._parameters)
            result = await self._method.run(self._session.state, self._parameters, signed)
        except Exception as error:
            self._refuse(error)
        else:
            self._succeed(result)

    def _succeed(self, result: Any) -> None:
        """Answer; an order placed or cancelled weighs nothing after all."""
        if (self._method.verb, self._method.path) in FREE:
            self._session.give_back(self._method, self._parameters)
        self._session.reply(self._identity, self._parameters, result, None, self._unfilled)

    def _refuse(self, error: Exception) -> None:
        """Answer with a refusal; a mistake of ours goes to the log and becomes one."""
        if not isinstance(error, BinanceRefusal):
            log.error("unexpected", method=self._method.path, exc_info=error)
            error = BinanceRefusal(MISTAKE, 500)
        self._session.reply(self._identity, self._parameters, None, error, self._unfilled)
