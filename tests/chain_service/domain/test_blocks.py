"""Blocks, batches, weights promised and shown, and what the mempool offers them."""

from dataclasses import replace
from typing import Any

import pytest

from chain_service.domain.blocks import (
    AppliedBlock,
    InvariantBroken,
    Order,
    apply_block,
    check_totals,
    make_genesis,
)
from chain_service.domain.calls import CALLS
from chain_service.domain.execution import Execution
from chain_service.domain.mempool import BLOCK_BYTES_MAX, Waiting, choose_orders
from chain_service.domain.parameters import BOX, PRESETS, choose_parameters, read_parameters
from chain_service.domain.registration import fill_slot
from chain_service.domain.state import State
from chain_service.domain.values import Account
from chain_service.domain.weights import hash_weights
from chain_service.schemas import ARGUMENTS
from taonet.kit.errors import Refusal

PARAMETERS = replace(BOX, blocks_per_step=2, weights_rate_limit_blocks=0)


class Chain:
    """A chain in memory, whose accounts may be filled from its pot."""

    def __init__(self) -> None:
        genesis = make_genesis(PARAMETERS, 0)
        self.state, self.head = State(), genesis.header
        self.state.absorb(genesis.layer)
        self.seal()

    def grant(self, address: str, amount_rao: int) -> None:
        counters = self.state.counters
        self.state.accounts[address] = Account(amount_rao)
        self.state.counters = replace(
            counters,
            pot_rao=counters.pot_rao - amount_rao,
            free_rao=counters.free_rao + amount_rao,
        )

    def seal(self, *orders: Order) -> AppliedBlock:
        block = apply_block(self.state, self.head, 0, orders, PARAMETERS)
        self.state.absorb(block.layer)
        self.head = block.header
        return block

    def register(self, hotkey: str, coldkey: str) -> None:
        fill_slot(Execution(self.state, PARAMETERS, ""), hotkey, coldkey)


def order(signer: str, nonce: int, call: str, tip_rao: int = 0, **arguments: Any) -> Order:
    return Order(f"{signer}{nonce}", signer, nonce, 100, tip_rao, call, arguments, 300)


def transfer(signer: str, nonce: int, tip_rao: int = 0, amount_rao: int = 1000) -> Order:
    return order(signer, nonce, "transfer", tip_rao, receiver="bob", amount_rao=amount_rao)


def test_every_call_has_its_arguments() -> None:
    assert set(ARGUMENTS) == set(CALLS)


def test_fees_and_tips_flow_into_the_pot() -> None:
    chain = Chain()
    chain.grant("alice", 10**9)
    pot = chain.state.counters.pot_rao
    block = chain.seal(transfer("alice", 0, tip_rao=7))
    fee = PARAMETERS.transfer_fee_rao + 300 + 7
    assert block.outcomes[0].fee_rao == fee
    assert chain.state.accounts["alice"].free_rao == 10**9 - 1000 - fee
    assert chain.state.counters.pot_rao == pot + 10**9 + fee


def test_a_batch_is_all_or_nothing() -> None:
    chain = Chain()
    chain.grant("alice", 10**9)

    def send(amount_rao: int) -> dict[str, Any]:
        arguments = {"receiver": "bob", "amount_rao": amount_rao}
        return {"call": "transfer", "arguments": arguments}

    block = chain.seal(order("alice", 0, "batch", calls=[send(1000), send(10**10)]))
    assert block.outcomes[0].error is not None
    assert block.outcomes[0].error.startswith("InsufficientBalance")
    assert chain.state.accounts["bob"].free_rao == 0
    assert not [event for _, event in block.events if event.kind == "Transferred"]
    assert block.outcomes[0].fee_rao == 2 * PARAMETERS.transfer_fee_rao + 300
    chain.seal(order("alice", 1, "batch", calls=[send(1000), send(2000)]))
    assert chain.state.accounts["bob"].free_rao == 3000


def test_who_can_not_pay_the_fee_is_refused_and_owes_nothing() -> None:
    chain = Chain()
    chain.grant("alice", 600)
    block = chain.seal(transfer("alice", 0))
    assert block.outcomes[0].fee_rao == 0
    assert chain.state.accounts["alice"] == Account(600, 1, slot=0)


def test_weights_are_promised_first_and_shown_after_a_step() -> None:
    chain = Chain()
    chain.register("hot", "cold")
    row: dict[str, Any] = {"uids": [0], "values": [1], "salt": "ab" * 32, "version_key": 0}
    promise = hash_weights("hot", [0], [1], "ab" * 32, 0)
    chain.seal(order("hot", 0, "commit_weights", commit_hash=promise))
    early = chain.seal(order("hot", 1, "reveal_weights", **row))
    assert early.outcomes[0].error is not None
    assert early.outcomes[0].error.startswith("RevealTooEarly")
    chain.seal()
    other = chain.seal(order("hot", 2, "reveal_weights", **{**row, "values": [2]}))
    assert other.outcomes[0].error is not None
    assert other.outcomes[0].error.startswith("InvalidRevealCommitHashNotMatch")
    assert chain.seal(order("hot", 3, "reveal_weights", **row)).outcomes[0].error is None
    assert chain.state.weights[0] == ((0, 2**32 - 1),)


def test_a_neuron_keeps_all_it_has_under_a_new_hotkey() -> None:
    chain = Chain()
    chain.register("hot", "cold")
    refused = chain.seal(order("thief", 0, "swap_hotkey", hotkey="hot", new_hotkey="new"))
    assert refused.outcomes[0].error is not None
    assert refused.outcomes[0].error.startswith("NonAssociatedColdKey")
    chain.seal(order("cold", 0, "swap_hotkey", hotkey="hot", new_hotkey="new"))
    assert chain.state.neuron_of("new").coldkey == "cold"
    with pytest.raises(Refusal, match="not registered"):
        chain.state.neuron_of("hot")


def test_money_from_nowhere_stops_the_chain() -> None:
    chain = Chain()
    chain.state.counters = replace(chain.state.counters, pot_rao=10**10)
    with pytest.raises(InvariantBroken, match="issued were"):
        chain.seal()
    chain.state.accounts["alice"] = Account(1)
    with pytest.raises(InvariantBroken):
        check_totals(chain.state)


def test_the_mempool_offers_high_tips_first_and_nonces_in_order() -> None:
    chain = Chain()
    waiting = [
        Waiting(1, transfer("alice", 0, tip_rao=1)),
        Waiting(2, transfer("bob", 0, tip_rao=5)),
        Waiting(3, transfer("alice", 1, tip_rao=9)),
        Waiting(4, transfer("carol", 1)),
    ]
    choice = choose_orders(waiting, chain.state, limit=10)
    assert [item.hash for item in choice.orders] == ["bob0", "alice0", "alice1"]
    assert [item.hash for item in choose_orders(waiting, chain.state, 1).orders] == ["bob0"]


def test_a_block_has_room_for_so_many_bytes_and_registrations() -> None:
    chain = Chain()
    large = transfer("alice", 0, tip_rao=3)._replace(length=BLOCK_BYTES_MAX)
    waiting = [
        Waiting(1, large),
        Waiting(2, transfer("alice", 1, tip_rao=9)),
        Waiting(3, transfer("bob", 0)._replace(length=1)),
    ]
    assert [item.hash for item in choose_orders(waiting, chain.state, 9).orders] == ["alice0"]
    assert len(choose_orders(waiting[2:], chain.state, 9).orders) == 1

    tries = [{"call": "burned_register", "arguments": {}}] * 40
    batches = [
        Waiting(number, order(f"signer{number}", 0, "batch", calls=tries)) for number in range(3)
    ]
    taken = choose_orders([*batches, waiting[2]], chain.state, 9).orders
    # The second of them crosses the limit of 64; the third waits, and what is no registration goes.
    assert [item.signer for item in taken] == ["signer0", "signer1", "bob"]


def test_what_expires_takes_its_signers_later_ones_with_it() -> None:
    chain = Chain()
    late = transfer("alice", 0)._replace(last_valid_block=1)
    choice = choose_orders(
        [Waiting(1, late), Waiting(2, transfer("alice", 1))], chain.state, limit=10
    )
    assert choice.orders == []
    assert [entry.sequence for entry in choice.expired] == [1, 2]


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_survive_their_writing(preset: str) -> None:
    chosen = choose_parameters(preset, {"blocks_per_step": "7", "minimum_burn_rao": "12"})
    assert read_parameters(chosen.as_json()) == chosen
    assert chosen.blocks_per_step == 7


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("moon", {}),
        ("box", {"blocks_per_stop": 1}),
        ("box", {"blocks_per_step": 0}),
        ("box", {"blocks_per_step": -1}),
        ("box", {"blocks_per_step": True}),
        ("box", {"blocks_per_step": 1.5}),
        ("box", {"block_milliseconds": 1}),
        ("box", {"consensus_rule": "none"}),
        ("box", {"bonds_moving_average_ppm": 1_000_001}),
    ],
)
def test_impossible_parameters_are_refused(preset: str, overrides: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        choose_parameters(preset, overrides)
