"""Every call by name, and how one is carried out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chain_service.domain.errors import BatchInBatch, UnknownCall
from chain_service.domain.execution import Execution
from chain_service.domain.registration import burned_register, register
from chain_service.domain.serving import serve_axon, swap_hotkey
from chain_service.domain.staking import (
    add_stake,
    become_delegate,
    nominate,
    remove_stake,
    un_nominate,
)
from chain_service.domain.transfers import transfer, transfer_all
from chain_service.domain.weights import commit_weights, reveal_weights, set_weights

Call = Callable[..., None]


def batch(run: Execution, calls: Sequence[Mapping[str, Any]]) -> None:
    """Carry out calls in order: all of them, or, where one is refused, none."""
    for call in calls:
        if call["call"] == "batch":
            raise BatchInBatch("a batch holds no other batch; write its calls one after another")
        carry_out(run, call["call"], call["arguments"])


CALLS: Mapping[str, Call] = {
    "transfer": transfer,
    "transfer_all": transfer_all,
    "register": register,
    "burned_register": burned_register,
    "add_stake": add_stake,
    "remove_stake": remove_stake,
    "set_weights": set_weights,
    "serve_axon": serve_axon,
    "commit_weights": commit_weights,
    "reveal_weights": reveal_weights,
    "become_delegate": become_delegate,
    "nominate": nominate,
    "un_nominate": un_nominate,
    "swap_hotkey": swap_hotkey,
    "batch": batch,
}

FEE_CALLS = frozenset({"transfer", "transfer_all"})
"""Calls that cost a fee, also inside a batch; a newcomer with nothing can use all others."""

REGISTER_CALLS = frozenset({"register", "burned_register"})
"""Calls that look at every slot, once all are taken."""


def carry_out(run: Execution, call: str, arguments: Mapping[str, Any]) -> None:
    """Run one call on the execution's layer; what it raises leaves that layer to be dropped."""
    if call not in CALLS:
        raise UnknownCall(f"{call!r} is no call; known are {', '.join(CALLS)}")
    CALLS[call](run, **arguments)


def count_registrations(call: str, arguments: Mapping[str, Any]) -> int:
    """Return how many registrations an extrinsic tries."""
    if call == "batch":
        return sum(inner["call"] in REGISTER_CALLS for inner in arguments["calls"])
    return int(call in REGISTER_CALLS)


def count_paid_calls(call: str, arguments: Mapping[str, Any]) -> int:
    """Return how many fees an extrinsic owes."""
    if call == "batch":
        return sum(inner["call"] in FEE_CALLS for inner in arguments["calls"])
    return int(call in FEE_CALLS)
