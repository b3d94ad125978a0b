"""
A block: what it holds, how it changes the state, and what it is sealed with.

`apply_block` is the whole chain in one function: it reads a state and returns what is new, touching
nothing. Running it again on the same input gives the same hashes on every machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from chain_service.domain.calls import carry_out, count_paid_calls
from chain_service.domain.consensus import gain_priority, run_consensus
from chain_service.domain.encoding import encode_plainly, hash_bytes
from chain_service.domain.execution import Event, Execution, check_holds
from chain_service.domain.headers import NO_PARENT, Header
from chain_service.domain.merkle import hash_leaf
from chain_service.domain.network import Graph, Step
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.prices import adjust_prices
from chain_service.domain.registration import WORK_BLOCKS, forget_old_seals
from chain_service.domain.roots import StateChange, encode_account, encode_neuron
from chain_service.domain.staking import split_payout
from chain_service.domain.state import State, count_totals
from chain_service.domain.supply import calculate_issuance, calculate_mint
from chain_service.domain.values import NO_SLOT, Account, Counters, Neuron, Scores
from taonet.kit.errors import Refusal


class InvariantBroken(Exception):
    """Money came from nowhere or got lost: our own mistake. The chain must stop."""


class Order(NamedTuple):
    """An extrinsic whose signature and shape were checked."""

    hash: str
    signer: str
    nonce: int
    last_valid_block: int
    tip_rao: int
    call: str
    arguments: Mapping[str, Any]
    """As Python values: amounts are integers."""
    length: int
    """Canonical bytes, which the fee is counted by."""


class Outcome(NamedTuple):
    """What became of an order in a block."""

    hash: str
    error: str | None
    """`Name: sentence` of the refusal; none where it did its work."""
    fee_rao: int


@dataclass(frozen=True)
class AppliedBlock:
    """A block made: nothing of it is in the state yet."""

    header: Header
    orders: Sequence[Order]
    outcomes: Sequence[Outcome]
    events: Sequence[tuple[int | None, Event]]
    """Each with the index of the extrinsic that caused it, if one did."""
    layer: State
    """What it changed; `state.absorb(layer)` makes it true."""
    issuance_rao: int


def make_genesis(parameters: ChainParameters, time_ms: int) -> AppliedBlock:
    """Return block 0: no money, no neurons, only the rules; its hash names the chain."""
    layer = State().branch()
    layer.counters = Counters(
        difficulty=parameters.starting_difficulty, burn_rao=parameters.starting_burn_rao
    )
    layer.tree_change = layer.tree.change({}, {}, layer.counters)
    header = Header(
        height=0,
        parent_hash=NO_PARENT,
        time_ms=time_ms,
        extrinsics_root=_digest(parameters.as_json()),
        state_root=layer.tree_change.root.hex(),
        author=parameters.author,
    )
    layer.counters = replace(layer.counters, recent_hashes=(header.block_hash,))
    return AppliedBlock(header, (), (), (), layer, issuance_rao=0)


def apply_block(
    state: State,
    parent: Header,
    time_ms: int,
    orders: Sequence[Order],
    parameters: ChainParameters,
) -> AppliedBlock:
    """Return the block that follows the parent with these orders, each of which may be included."""
    assert state.counters.height == parent.height
    layer = state.branch()
    events: list[tuple[int | None, Event]] = [
        (None, event) for event in begin_block(layer, parameters)
    ]
    outcomes = []
    scratch = layer.branch()
    for index, order in enumerate(orders):
        outcome, caused = apply_order(layer, scratch, order, parameters)
        outcomes.append(outcome)
        events.extend((index, event) for event in caused)
    fees_rao = sum(outcome.fee_rao for outcome in outcomes)
    layer.counters = replace(layer.counters, pot_rao=layer.counters.pot_rao + fees_rao)
    header = seal(state, layer, parent, time_ms, outcomes, events, parameters.author)
    issuance_rao = check_supply(state, layer, parameters)
    return AppliedBlock(header, orders, outcomes, events, layer, issuance_rao)


def begin_block(layer: State, parameters: ChainParameters) -> list[Event]:
    """Mint into the pot, pay it out where a step is due, and set the prices of registration."""
    counters = layer.counters
    height = counters.height + 1
    pot_rao = counters.pot_rao + calculate_mint(height, parameters)
    layer.counters = replace(counters, height=height, pot_rao=pot_rao)
    events = []
    if height - counters.last_step_block >= parameters.blocks_per_step:
        events = run_step(layer, parameters)
    layer.counters = adjust_prices(layer.counters, parameters)
    return events


def run_step(layer: State, parameters: ChainParameters) -> list[Event]:
    """Score every neuron, and put the pot onto the stake of those who earned it."""
    counters = layer.counters
    payout = run_consensus(make_graph(layer), parameters)
    step, events = payout.step, []
    for uid, amount_rao in enumerate(payout.amounts_rao):
        layer.put_neuron(reward(layer.neuron(uid), step, amount_rao))
        if layer.bonds[uid] != step.bonds_rao[uid]:
            layer.bonds[uid] = step.bonds_rao[uid]
        if amount_rao:
            events.append(Event("Paid", {"uid": uid, "amount_rao": amount_rao}))
    layer.counters = replace(
        counters,
        pot_rao=counters.pot_rao - sum(payout.amounts_rao),
        last_step_block=counters.height,
        reassigned_uids=(),
        permitted_uids=tuple(uid for uid, allowed in enumerate(step.permits) if allowed),
    )
    return events


def make_graph(layer: State) -> Graph:
    """Return who ranks whom, by what stake, as of the block being made."""
    counters = layer.counters
    neurons = [layer.neuron(uid) for uid in range(counters.neuron_count)]
    permitted = frozenset(counters.permitted_uids) - frozenset(counters.reassigned_uids)
    return Graph(
        block=counters.height,
        emission_rao=counters.pot_rao,
        stakes_rao=[neuron.stake_rao for neuron in neurons],
        weights=[layer.weights[neuron.uid] for neuron in neurons],
        bonds_rao=[layer.bonds[neuron.uid] for neuron in neurons],
        last_update_blocks=[neuron.last_update_block for neuron in neurons],
        reassigned_uids=frozenset(counters.reassigned_uids),
        permits=[neuron.uid in permitted for neuron in neurons] if permitted else None,
        weights_blocks=[neuron.weights_block or 0 for neuron in neurons],
        registered_blocks=[neuron.registered_block for neuron in neurons],
    )


def reward(neuron: Neuron, step: Step, amount_rao: int) -> Neuron:
    """Return a neuron with a step's scores, its pay, and the priority that its stake gains it."""
    uid = neuron.uid
    scores = Scores(
        active=step.active[uid],
        rank=step.rank[uid],
        trust=step.trust[uid],
        consensus=step.consensus[uid],
        incentive=step.incentive[uid],
        dividends=step.dividends[uid],
        emission_rao=amount_rao,
    )
    stakes = pay(dict(neuron.stakes_rao), neuron.coldkey, amount_rao, neuron.take)
    priority = neuron.priority + gain_priority(neuron.stake_rao)
    return replace(neuron, scores=scores, stakes_rao=stakes, priority=priority)


def pay(
    stakes_rao: dict[str, int], owner: str, amount_rao: int, take: int | None
) -> dict[str, int]:
    """Return a neuron's stakes after its pay, shared as delegation says."""
    if amount_rao:
        for coldkey, part in split_payout(amount_rao, owner, stakes_rao, take).items():
            if part:
                stakes_rao[coldkey] = stakes_rao.get(coldkey, 0) + part
    return stakes_rao


def calculate_fee(order: Order, parameters: ChainParameters) -> int:
    """Return fee and tip in rao: a fixed part for each transfer, and a part per byte."""
    paid_calls = count_paid_calls(order.call, order.arguments)
    by_length = parameters.fee_rao_per_byte * order.length if paid_calls else 0
    return parameters.transfer_fee_rao * paid_calls + by_length + order.tip_rao


def apply_order(
    layer: State, scratch: State, order: Order, parameters: ChainParameters
) -> tuple[Outcome, list[Event]]:
    """
    Use up the nonce, charge the fee, and carry out the call on a layer that is cleared for it.

    A refused call keeps nonce and fee, and leaves nothing else; one that can't pay its fee is
    refused for that. The block's fees flow into the pot together, at its end.
    """
    account = layer.accounts[order.signer]
    assert account.nonce == order.nonce, "orders are chosen in the order of their nonces"
    nonce = account.nonce + 1
    fee_rao = calculate_fee(order, parameters)
    try:
        check_holds(order.signer, account.free_rao, fee_rao)
    except Refusal as refusal:
        layer.accounts[order.signer] = Account(account.free_rao, nonce, account.slot)
        return Outcome(order.hash, _tell(refusal), 0), []
    layer.accounts[order.signer] = Account(account.free_rao - fee_rao, nonce, account.slot)
    scratch.clear(layer.counters)
    run = Execution(scratch, parameters, order.signer)
    try:
        carry_out(run, order.call, order.arguments)
    except Refusal as refusal:
        return Outcome(order.hash, _tell(refusal), fee_rao), []
    layer.absorb(scratch)
    return Outcome(order.hash, None, fee_rao), run.events


def seal(
    state: State,
    layer: State,
    parent: Header,
    time_ms: int,
    outcomes: Sequence[Outcome],
    events: Sequence[tuple[int | None, Event]],
    author: str,
) -> Header:
    """Return the header, and note in the layer what the next block needs of it."""
    free_change, stake_change = count_totals(layer, state)
    account_count = give_slots(layer, state.counters.account_count)
    layer.counters = replace(
        forget_old_seals(layer.counters),
        free_rao=state.counters.free_rao + free_change,
        stake_rao=state.counters.stake_rao + stake_change,
        account_count=account_count,
        recent_hashes=layer.counters.recent_hashes[1 - WORK_BLOCKS :],
    )
    contents = [
        [[outcome.hash, outcome.error, outcome.fee_rao] for outcome in outcomes],
        [[index, event.kind, event.fields] for index, event in events],
    ]
    layer.tree_change = change_tree(layer)
    header = Header(
        height=parent.height + 1,
        parent_hash=parent.block_hash,
        time_ms=max(time_ms, parent.time_ms + 1),
        extrinsics_root=_digest(contents),
        state_root=layer.tree_change.root.hex(),
        author=author,
    )
    recent = (*layer.counters.recent_hashes, header.block_hash)
    layer.counters = replace(layer.counters, recent_hashes=recent)
    return header


def give_slots(layer: State, count: int) -> int:
    """Number the accounts that are new in this block, by address; return how many there are now."""
    accounts = layer.accounts
    for address in sorted(key for key, account in accounts.items() if account.slot == NO_SLOT):
        account = accounts[address]
        accounts[address] = Account(account.free_rao, account.nonce, count)
        count += 1
    return count


def change_tree(layer: State) -> StateChange:
    """Return what a block's layer makes of the state's trees."""
    accounts = {
        account.slot: hash_leaf(encode_account(address, account))
        for address, account in layer.accounts.items()
    }
    uids = sorted({*layer.neurons, *layer.weights, *layer.bonds})
    neurons = {
        uid: hash_leaf(encode_neuron(layer.neuron(uid), layer.weights[uid], layer.bonds[uid]))
        for uid in uids
    }
    return layer.tree.change(accounts, neurons, layer.counters)


def check_supply(state: State, layer: State, parameters: ChainParameters) -> int:
    """Return the issuance, or stop: free + stake + pot == issuance(height), and nothing below 0."""
    counters = layer.counters
    issuance_rao = calculate_issuance(counters.height, parameters)
    held = counters.free_rao + counters.stake_rao + counters.pot_rao
    if held != issuance_rao or counters.pot_rao < 0:
        raise InvariantBroken(
            f"block {counters.height}: free {counters.free_rao} + stake {counters.stake_rao} + "
            f"pot {counters.pot_rao} is {held} rao, issued were {issuance_rao}"
        )
    for address, account in layer.accounts.items():
        if account.free_rao < 0:
            raise InvariantBroken(f"block {counters.height}: {address} owes {-account.free_rao}")
    return issuance_rao


def check_totals(state: State) -> None:
    """Count all money anew, and stop where the running sums are wrong: after loading a state."""
    free = sum(account.free_rao for account in state.accounts.values())
    stake = sum(neuron.stake_rao for neuron in state.neurons.values() if neuron is not None)
    if (free, stake) != (state.counters.free_rao, state.counters.stake_rao):
        raise InvariantBroken(
            f"accounts hold {free} and neurons {stake} rao, noted are {state.counters.free_rao} "
            f"and {state.counters.stake_rao}"
        )


def check_loaded(state: State, head: Header, parameters: ChainParameters) -> None:
    """Stop where a state that was stored is not one that could go on from this block."""
    check_totals(state)
    counters = state.counters
    issuance_rao = calculate_issuance(counters.height, parameters)
    if counters.free_rao + counters.stake_rao + counters.pot_rao != issuance_rao:
        raise InvariantBroken(f"the stored state of block {counters.height} does not add up")
    if state.root.hex() != head.state_root:
        raise InvariantBroken(
            f"the stored state has the root {state.root.hex()}, block {head.height} says "
            f"{head.state_root}"
        )


def _tell(refusal: Refusal) -> str:
    return f"{refusal.code}: {refusal.message}"


def _digest(value: dict[str, Any] | list[Any]) -> str:
    return hash_bytes(encode_plainly(value)).hex()
