"""
Calls that enter the network, and the rules of its slots: work, burn, pruning.

Source: opentensor/subtensor_deprecated, pallets/subtensor/src/registration.rs and step.rs; burned
registration as in today's chain.
"""

from dataclasses import replace
from typing import NamedTuple

from chain_service.domain.addresses import read_public_key
from chain_service.domain.errors import (
    AlreadyRegistered,
    InvalidDifficulty,
    InvalidSeal,
    InvalidWorkBlock,
    ToManyRegistrationsThisBlock,
    WorkRepeated,
)
from chain_service.domain.execution import Execution
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.prices import raise_burn
from chain_service.domain.state import NOBODY, State
from chain_service.domain.transfers import check_keeps_alive
from chain_service.domain.values import Counters, Neuron
from chain_service.domain.work import calculate_seal, meets_difficulty

WORK_BLOCKS = 3
"""Work may be done on this many newest blocks: the newest, and up to 2 back."""


class Work(NamedTuple):
    """What a hotkey shows for its registration."""

    block_number: int
    """The block it was done on."""
    nonce: int
    seal: bytes


def register(run: Execution, block_number: int, nonce: int, seal: str, coldkey: str) -> None:
    """Enter the network by proof of work; signed by the hotkey that enters."""
    check_may_register(run, run.signer)
    work = Work(block_number, nonce, bytes.fromhex(seal))
    check_work(run.state.counters, run.height - 1, run.signer, work)

    run.count(
        works_this_interval=run.state.counters.works_this_interval + 1,
        used_seals=(*run.state.counters.used_seals, (block_number, work.seal.hex())),
    )
    uid = fill_slot(run, run.signer, coldkey)

    run.record("Registered", uid=uid, hotkey=run.signer, coldkey=coldkey)


def burned_register(run: Execution, hotkey: str) -> None:
    """Enter the network by paying the burn, which returns to the pot; signed by the coldkey."""
    check_may_register(run, hotkey)
    burn_rao = run.state.counters.burn_rao
    check_keeps_alive(run, burn_rao)

    run.debit(run.signer, burn_rao)
    run.fill_pot(burn_rao)
    run.count(burns_this_interval=run.state.counters.burns_this_interval + 1)
    if run.parameters.price_rule == "half-life":
        run.count(burn_rao=raise_burn(burn_rao, run.parameters))
    uid = fill_slot(run, hotkey, run.signer)

    run.record("Registered", uid=uid, hotkey=hotkey, coldkey=run.signer)


def check_may_register(run: Execution, hotkey: str) -> None:
    if run.state.uids[hotkey] != NOBODY:
        raise AlreadyRegistered(
            f"the hotkey {hotkey} is registered as uid {run.state.uids[hotkey]}"
        )
    limit = run.parameters.max_registrations_per_block
    if run.state.counters.registrations_this_block >= limit:
        raise ToManyRegistrationsThisBlock(f"{limit} registrations fit a block; try the next")


def check_work(counters: Counters, newest: int, hotkey: str, work: Work) -> None:
    """
    Refuse work on a block not recent, a wrong or used seal, and one that is not low enough.

    `newest` is the last block that is made.
    """
    hashes = counters.recent_hashes
    age = newest - work.block_number
    if not 0 <= age < len(hashes):
        raise InvalidWorkBlock(
            f"the work is on block {work.block_number}; the last is {newest}, "
            f"and {WORK_BLOCKS - 1} back is the limit"
        )
    block_hash = bytes.fromhex(hashes[-1 - age])
    if work.seal != calculate_seal(block_hash, read_public_key(hotkey), work.nonce):
        raise InvalidSeal("the seal is not the hash of this block, hotkey and nonce")
    if (work.block_number, work.seal.hex()) in counters.used_seals:
        raise WorkRepeated("this work has registered a neuron; search for another nonce")
    if not meets_difficulty(work.seal, counters.difficulty):
        raise InvalidDifficulty(f"the seal does not meet the difficulty of {counters.difficulty}")


def forget_old_seals(counters: Counters) -> Counters:
    """Return the counters without the seals whose work the next block would not take anyway."""
    if not counters.used_seals:
        return counters
    oldest = counters.height - WORK_BLOCKS + 1
    kept = tuple(used for used in counters.used_seals if used[0] >= oldest)
    return replace(counters, used_seals=kept)


def fill_slot(run: Execution, hotkey: str, coldkey: str) -> int:
    """Give a hotkey the next free slot, or the one of the neuron that is pruned for it."""
    counters = run.state.counters
    if counters.neuron_count < run.parameters.max_allowed_uids:
        uid = counters.neuron_count
        run.count(neuron_count=uid + 1)
    else:
        uid = find_pruned(run.state, run.parameters)
        empty_slot(run, uid)
    run.count(registrations_this_block=counters.registrations_this_block + 1)
    run.state.uids[hotkey] = uid
    run.state.put_neuron(Neuron(uid, hotkey, coldkey, run.height, run.height))
    return uid


def empty_slot(run: Execution, uid: int) -> None:
    """Return a pruned neuron's stake to its coldkeys, and void its weights and bonds."""
    neuron = run.state.neuron(uid)
    for coldkey, stake_rao in sorted(neuron.stakes_rao.items()):
        run.credit(coldkey, stake_rao)
    run.state.uids[neuron.hotkey] = NOBODY
    run.state.weights[uid] = ()
    run.state.bonds[uid] = ()
    reassigned = {*run.state.counters.reassigned_uids, uid}
    run.count(reassigned_uids=tuple(sorted(reassigned)))
    run.record("Pruned", uid=uid, hotkey=neuron.hotkey, amount_rao=neuron.stake_rao)


def find_pruned(state: State, parameters: ChainParameters) -> int:
    """
    Return the slot that a newcomer takes: the lowest score, ties to the lower uid.

    A score is the share of stake, or the incentive where stake is below the floor. The immune come
    after all others, the oldest first. Kept as exact fractions (numerator, denominator): stake
    shares are of all stake, incentives of 2^64 − 1.
    """
    total = max(sum(state.neuron(uid).stake_rao for uid in range(state.counters.neuron_count)), 1)

    def score(uid: int) -> tuple[int, int, int]:
        neuron = state.neuron(uid)
        age = state.counters.height - neuron.registered_block
        immune_since = neuron.registered_block + 1 if age < parameters.immunity_period_blocks else 0
        if neuron.stake_rao >= parameters.stake_pruning_min_rao:
            share = neuron.stake_rao * (2**64 - 1)
        else:
            share = neuron.scores.incentive * total
        return immune_since, share, uid

    return min(range(state.counters.neuron_count), key=score)
