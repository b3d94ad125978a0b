"""Why the node says no: Bitcoin Core's numbers, and its words where others match on them."""


class RpcError(Exception):
    """An error as JSON-RPC clients of Bitcoin Core know it."""

    code = -1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MethodNotFound(RpcError):
    code = -32601


class InvalidParameter(RpcError):
    code = -8


class WrongType(RpcError):
    code = -3


class NotFound(RpcError):
    """An address, block or transaction that is malformed or not there."""

    code = -5


class InsufficientFunds(RpcError):
    code = -6


class Undecodable(RpcError):
    code = -22


class MissingInputs(RpcError):
    code = -25


class Rejected(RpcError):
    """A transaction that breaks a rule."""

    code = -26


class AlreadyInChain(RpcError):
    code = -27
