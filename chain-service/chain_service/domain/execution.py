"""What a call works on: the state under its feet, the rules, and who signed."""

from dataclasses import replace
from typing import Any, NamedTuple, final

from chain_service.domain.errors import InsufficientBalance
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.state import State


class Event(NamedTuple):
    """A fact of a block; `events.py` says which fields each kind has."""

    kind: str
    fields: dict[str, Any]


@final
class Execution:
    """One call being carried out. `state` is a layer: what is refused leaves nothing behind."""

    def __init__(self, state: State, parameters: ChainParameters, signer: str) -> None:
        self.state, self.parameters, self.signer = state, parameters, signer
        self.events: list[Event] = []

    @property
    def height(self) -> int:
        return self.state.counters.height

    def record(self, kind: str, **fields: Any) -> None:
        """Note a fact of this call."""
        self.events.append(Event(kind, fields))

    def count(self, **changes: Any) -> None:
        """Replace some of the state's counters."""
        self.state.counters = replace(self.state.counters, **changes)

    def credit(self, address: str, amount_rao: int) -> None:
        """Add to an account's free money."""
        account = self.state.accounts[address]
        self.state.accounts[address] = account.holding(account.free_rao + amount_rao)

    def debit(self, address: str, amount_rao: int) -> None:
        """Take from an account's free money, or refuse."""
        account = self.state.accounts[address]
        check_holds(address, account.free_rao, amount_rao)
        self.state.accounts[address] = account.holding(account.free_rao - amount_rao)

    def fill_pot(self, amount_rao: int) -> None:
        """Return money to the pot, from where the next step pays it out again."""
        self.count(pot_rao=self.state.counters.pot_rao + amount_rao)


def check_holds(address: str, free_rao: int, amount_rao: int) -> None:
    if free_rao < amount_rao:
        raise InsufficientBalance(f"{address} holds {free_rao} rao, needed are {amount_rao}")
