"""Every call, in any order, against the napkin's ledger."""

import os
from collections import defaultdict
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.chain_service.domain.ledger_model import (
    BURN,
    DEPOSIT,
    FEE,
    PER_BLOCK,
    SLOTS,
    LedgerModel,
)

from chain_service.domain.addresses import read_public_key
from chain_service.domain.blocks import (
    AppliedBlock,
    Order,
    apply_block,
    check_totals,
    make_genesis,
)
from chain_service.domain.parameters import BOX
from chain_service.domain.state import NOBODY, State
from chain_service.domain.supply import calculate_issuance
from chain_service.domain.weights import hash_weights
from chain_service.domain.work import calculate_seal
from taonet.kit.keys import Keypair

PARAMETERS = replace(
    BOX,
    blocks_per_step=2,
    block_reward_rao=50_021,
    existential_deposit_rao=DEPOSIT,
    transfer_fee_rao=FEE,
    fee_rao_per_byte=0,
    starting_difficulty=1,
    minimum_difficulty=1,
    starting_burn_rao=BURN,
    minimum_burn_rao=BURN,
    maximum_burn_rao=BURN,
    max_allowed_uids=SLOTS,
    max_registrations_per_block=PER_BLOCK,
    immunity_period_blocks=3,
    weights_rate_limit_blocks=0,
    max_weight_limit_u32=2**32 - 1,
)
COLDKEYS = [Keypair.create_from_uri(f"//cold{n}").ss58_address for n in range(3)]
HOTKEYS = [Keypair.create_from_uri(f"//hot{n}").ss58_address for n in range(6)]
SALT = "ab" * 32
ADDRESSES = ("10.0.0.1", "::1", "0.0.0.0")
coldkeys = st.sampled_from(COLDKEYS)
hotkeys = st.sampled_from(HOTKEYS)
amounts = st.one_of(st.integers(0, 2000), st.integers(0, 100_000), st.just(DEPOSIT))


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        genesis = make_genesis(PARAMETERS, 0)
        self.state, self.head = State(), genesis.header
        self.state.absorb(genesis.layer)
        self.model = LedgerModel()
        self.orders: list[Order] = []
        self.nonces: dict[str, int] = defaultdict(int)

    def order(self, signer: str, call: str, **arguments: Any) -> None:
        number = len(self.orders)
        name = f"{self.head.height}-{number}"
        order = Order(name, signer, self.nonces[signer], 10**9, 0, call, arguments, 1)
        self.nonces[signer] += 1
        self.orders.append(order)

    @initialize()
    def begin_with_some_money(self) -> None:
        """Three neurons that were paid and took some out: or else most calls would have nothing."""
        for hotkey, coldkey in zip(HOTKEYS[:3], COLDKEYS, strict=True):
            self.register(hotkey, coldkey)
            self.seal(1)
        for hotkey, uid in zip(HOTKEYS[:3], (1, 2, 0), strict=True):
            self.set_weights(hotkey, uid, uid)
        self.seal(4)
        for hotkey, coldkey in zip(HOTKEYS[:3], COLDKEYS, strict=True):
            stake = self.model.stake[hotkey][coldkey]
            self.order(coldkey, "remove_stake", hotkey=hotkey, amount_rao=stake // 2)
        self.seal(1)

    @rule(
        call=st.sampled_from(["add_stake", "remove_stake", "nominate", "un_nominate"]),
        uid=st.integers(0, SLOTS - 1),
        signer=coldkeys,
        share=st.integers(0, 11),
    )
    def stake_a_share(self, call: str, uid: int, signer: str, share: int) -> None:
        """Move tenths of what the signer has: all of it, and a little more, included."""
        hotkey = self.model.hotkeys[uid % len(self.model.hotkeys)]
        if call in ("add_stake", "remove_stake"):
            signer = self.model.owner[hotkey]
        has = self.model.free[signer] - DEPOSIT
        if call in ("remove_stake", "un_nominate"):
            has = self.model.stake[hotkey].get(signer, 0)
        self.order(signer, call, hotkey=hotkey, amount_rao=max(has, 0) * share // 10)

    @rule(uid=st.integers(0, SLOTS - 1), take=st.integers(0, 13_000))
    def open_to_delegators(self, uid: int, take: int) -> None:
        hotkey = self.model.hotkeys[uid % len(self.model.hotkeys)]
        self.order(self.model.owner[hotkey], "become_delegate", hotkey=hotkey, take=take)

    @rule(signer=coldkeys, receiver=coldkeys, amount_rao=amounts)
    def transfer(self, signer: str, receiver: str, amount_rao: int) -> None:
        self.order(signer, "transfer", receiver=receiver, amount_rao=amount_rao)

    @rule(signer=coldkeys, receiver=coldkeys)
    def transfer_all(self, signer: str, receiver: str) -> None:
        self.order(signer, "transfer_all", receiver=receiver)

    @rule(
        call=st.sampled_from(["add_stake", "remove_stake", "nominate", "un_nominate"]),
        signer=coldkeys,
        hotkey=hotkeys,
        amount_rao=amounts,
    )
    def stake(self, call: str, signer: str, hotkey: str, amount_rao: int) -> None:
        self.order(signer, call, hotkey=hotkey, amount_rao=amount_rao)

    @rule(signer=coldkeys, hotkey=hotkeys, take=st.integers(0, 15_000))
    def become_delegate(self, signer: str, hotkey: str, take: int) -> None:
        self.order(signer, "become_delegate", hotkey=hotkey, take=take)

    @rule(signer=coldkeys, hotkey=hotkeys)
    def burned_register(self, signer: str, hotkey: str) -> None:
        self.order(signer, "burned_register", hotkey=hotkey)

    @rule(hotkey=hotkeys, coldkey=coldkeys)
    def register(self, hotkey: str, coldkey: str) -> None:
        block_hash = bytes.fromhex(self.head.block_hash)
        seal = calculate_seal(block_hash, read_public_key(hotkey), 7).hex()
        work = {"block_number": self.head.height, "nonce": 7, "seal": seal, "coldkey": coldkey}
        self.order(hotkey, "register", **work)

    @rule(hotkey=hotkeys, uid=st.integers(0, SLOTS - 1), other=st.integers(0, SLOTS - 1))
    def set_weights(self, hotkey: str, uid: int, other: int) -> None:
        uids = sorted({uid, other})
        self.order(hotkey, "set_weights", uids=uids, values=[1] * len(uids), version_key=0)

    @rule(
        hotkey=hotkeys, ip=st.sampled_from(["10.0.0.1", "::1", "0.0.0.0"]), port=st.integers(1, 9)
    )
    def serve_axon(self, hotkey: str, ip: str, port: int) -> None:
        self.order(hotkey, "serve_axon", ip=ip, port=port, name="oak")

    @rule(hotkey=hotkeys, uid=st.integers(0, SLOTS - 1), value=st.integers(1, 3))
    def commit_weights(self, hotkey: str, uid: int, value: int) -> None:
        promise = hash_weights(hotkey, [uid], [value], SALT, 0)
        self.order(hotkey, "commit_weights", commit_hash=promise)

    @rule(hotkey=hotkeys, uid=st.integers(0, SLOTS - 1), value=st.integers(1, 3))
    def reveal_weights(self, hotkey: str, uid: int, value: int) -> None:
        row = {"uids": [uid], "values": [value], "version_key": 0}
        self.order(hotkey, "reveal_weights", **row, salt=SALT)

    @rule(uid=st.integers(0, SLOTS - 1), value=st.integers(1, 3), blocks=st.integers(1, 4))
    def keep_a_promise(self, uid: int, value: int, blocks: int) -> None:
        """Commit, wait and reveal: sometimes too early."""
        hotkey = self.model.hotkeys[uid % len(self.model.hotkeys)]
        self.commit_weights(hotkey, uid, value)
        self.seal(blocks)
        self.reveal_weights(hotkey, uid, value)

    @rule(signer=coldkeys, hotkey=hotkeys, new_hotkey=hotkeys)
    def swap_hotkey(self, signer: str, hotkey: str, new_hotkey: str) -> None:
        signer = self.model.owner.get(hotkey, signer)
        self.order(signer, "swap_hotkey", hotkey=hotkey, new_hotkey=new_hotkey)

    @rule(
        signer=coldkeys,
        transfers=st.lists(st.tuples(coldkeys, amounts), max_size=3),
        stakes=st.lists(
            st.tuples(st.sampled_from(["add_stake", "remove_stake", "nominate"]), hotkeys, amounts),
            max_size=3,
        ),
    )
    def batch(
        self,
        signer: str,
        transfers: list[tuple[str, int]],
        stakes: list[tuple[str, str, int]],
    ) -> None:
        calls = [
            {"call": "transfer", "arguments": {"receiver": receiver, "amount_rao": amount}}
            for receiver, amount in transfers
        ] + [
            {"call": call, "arguments": {"hotkey": hotkey, "amount_rao": amount}}
            for call, hotkey, amount in stakes
        ]
        if calls:
            self.order(signer, "batch", calls=calls)

    @rule(blocks=st.integers(1, 4))
    def seal(self, blocks: int) -> None:
        for _ in range(blocks):
            before = (dict(self.state.accounts), self.state.counters)
            block = apply_block(self.state, self.head, 0, self.orders, PARAMETERS)
            again = apply_block(self.state, self.head, 0, self.orders, PARAMETERS)
            assert again.header == block.header
            assert before == (dict(self.state.accounts), self.state.counters)
            self.follow(block)
            self.state.absorb(block.layer)
            self.head, self.orders = block.header, []

    def follow(self, block: AppliedBlock) -> None:
        """Carry out a block in the model."""
        height, model = block.header.height, self.model
        model.pot += calculate_issuance(height, PARAMETERS) - calculate_issuance(
            height - 1, PARAMETERS
        )
        model.registered_now, model.height = 0, height
        if height - model.last_step >= PARAMETERS.blocks_per_step:
            model.last_step = height
        events: dict[int | None, list[Any]] = defaultdict(list)
        for index, event in block.events:
            events[index].append(event)
        for event in events[None]:
            model.pay(event.fields["uid"], event.fields["amount_rao"])
        for index, (order, outcome) in enumerate(zip(block.orders, block.outcomes, strict=True)):
            self.follow_order(order, outcome.error, events[index])

    def follow_order(self, order: Order, error: str | None, events: list[Any]) -> None:
        model, arguments = self.model, dict(order.arguments)
        if order.call == "register":
            work = (arguments["block_number"], arguments["seal"])
            is_new = order.signer not in model.owner and work not in model.worked
            possible = is_new and model.registered_now < PER_BLOCK
            model.registered_now += possible
            model.worked |= {work} if possible else set()
        else:
            possible = model.charge(order.signer, order.call, arguments) and model.call(
                order.signer, order.call, arguments
            )
        assert possible == (error is None), (order, error)
        for event in events:
            if event.kind == "Pruned":
                model.leave(event.fields["uid"])
            if event.kind == "Registered":
                model.enter(*(event.fields[name] for name in ("uid", "hotkey", "coldkey")))

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        counters = self.state.counters
        issued = calculate_issuance(counters.height, PARAMETERS)
        assert self.model.total() == issued
        assert counters.free_rao + counters.stake_rao + counters.pot_rao == issued
        check_totals(self.state)

    @invariant()
    def each_account_and_slot_equals_the_model(self) -> None:
        for coldkey in COLDKEYS:
            assert self.state.accounts[coldkey].free_rao == self.model.free[coldkey]
        for hotkey in HOTKEYS:
            uid = self.state.uids[hotkey]
            assert (uid == NOBODY) == (hotkey not in self.model.owner)
            if uid != NOBODY:
                found = dict(self.state.neuron(uid).stakes_rao)
                expected = {key: rao for key, rao in self.model.stake[hotkey].items() if rao}
                assert found == expected
                neuron = self.state.neuron(uid)
                assert (neuron.ip, neuron.port) == self.model.axon.get(hotkey, ("", 0))
                assert neuron.take == self.model.take.get(hotkey)
                assert neuron.commit_hash == self.model.promise.get(hotkey, (None,))[0]
                assert dict(self.state.weights[uid]) == self.model.weights.get(hotkey, {})
        assert self.state.counters.pot_rao == self.model.pot


TestLedger = LedgerMachine.TestCase
# `make chaos-chain` runs more: TAONET_EXAMPLES.
TestLedger.settings = settings(
    max_examples=int(os.environ.get("TAONET_EXAMPLES", "60")),
    stateful_step_count=60,
    deadline=None,
)
