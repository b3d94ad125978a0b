"""What a call works on: the state under its feet, the rules, and who signed."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from chain_service.domain.errors import InsufficientBalance
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.state import State
from chain_service.domain.values import Account


class Event(NamedTuple):
    """A fact of a block; `events.py` says which fields each kind has."""

    kind: str
    fields: dict[str, Any]


@dataclass
class Execution:
    """One call being carried out. `state` is a layer: what is refused leaves nothing behind."""

    state: State
    parameters: ChainParameters
    signer: str
    events: list[Event] = field(default_factory=list)

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
        free_rao, nonce, slot = self.state.accounts[address]
        self.state.accounts[address] = Account(free_rao + amount_rao, nonce, slot)

    def debit(self, address: str, amount_rao: int) -> None:
        """Take from an account's free money, or refuse."""
        free_rao, nonce, slot = self.state.accounts[address]
        check_holds(address, free_rao, amount_rao)
        self.state.accounts[address] = Account(free_rao - amount_rao, nonce, slot)

    def fill_pot(self, amount_rao: int) -> None:
        """Return money to the pot, from where the next step pays it out again."""
        self.count(pot_rao=self.state.counters.pot_rao + amount_rao)


def check_holds(address: str, free_rao: int, amount_rao: int) -> None:
    if free_rao < amount_rao:
        raise InsufficientBalance(f"{address} holds {free_rao} rao, needed are {amount_rao}")
