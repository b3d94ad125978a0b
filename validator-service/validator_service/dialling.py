"""An httpx transport that dials addresses of Servers and nothing else, wherever it is sent."""

import httpx

from validator_service.domain.addresses import ForbiddenAddress, check_dialable


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks each request's address before a connection is made: redirects are requests too."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, private_allowed: bool) -> None:
        self._inner = inner
        self._private_allowed = private_allowed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme != "http" or url.port is None:
            raise ForbiddenAddress(
                f"{url.scheme}://{url.host[:60]} is no Server: http, IP and port"
            )
        check_dialable(url.host, url.port, private_allowed=self._private_allowed)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
