"""Slots, difficulty and weights against the original's own cases."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from chain_service.domain.addresses import read_public_key
from chain_service.domain.errors import (
    InvalidDifficulty,
    InvalidIpAddress,
    InvalidPort,
    InvalidSeal,
    InvalidWorkBlock,
    SettingWeightsTooFast,
    WorkRepeated,
)
from chain_service.domain.execution import Execution
from chain_service.domain.parameters import MAINNET_2022, NETWORK
from chain_service.domain.prices import adjust
from chain_service.domain.registration import fill_slot, forget_old_seals, register
from chain_service.domain.roots import encode_counters
from chain_service.domain.serving import check_endpoint, swap_hotkey
from chain_service.domain.staking import split_payout
from chain_service.domain.state import State
from chain_service.domain.values import Counters, Scores
from chain_service.domain.weights import check_row, normalise_weights, set_weights
from chain_service.domain.work import calculate_seal, meets_difficulty, search_seal
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads((FOLDER / "nakamoto_registration_weights.json").read_text())["vectors"]
}
DELEGATION = json.loads((FOLDER / "delegation_emission.json").read_text())
HOTKEY = Keypair.create_from_uri("//hot").ss58_address
COLDKEY = Keypair.create_from_uri("//cold").ss58_address


def test_difficulty_follows_the_vector() -> None:
    vector = VECTORS["nakreg-01-difficulty"]
    limits, difficulty = vector["params"], vector["initial_difficulty"]
    for step in vector["steps"]:
        difficulty = adjust(
            difficulty,
            step["registrations"] > limits["target_registrations_per_interval"],
            limits["minimum_difficulty"],
            limits["maximum_difficulty"],
        )
        assert difficulty == step["difficulty_after_block"]


def set_stakes(state: State, stakes: list[int]) -> None:
    for uid, stake in enumerate(stakes):
        neuron = state.neuron(uid)
        state.put_neuron(replace(neuron, stakes_rao={neuron.coldkey: stake}))


def test_pruning_follows_the_vector() -> None:
    vector = VECTORS["nakreg-02-pruning"]
    parameters = replace(
        NETWORK,
        max_allowed_uids=vector["params"]["max_allowed_uids"],
        immunity_period_blocks=vector["params"]["immunity_period"],
        stake_pruning_min_rao=vector["params"]["stake_pruning_min_rao"],
    )
    run = Execution(State(), parameters, signer="")
    for line in vector["script"]:
        if "register" in line:
            name = str(line["register"])
            assert fill_slot(run, f"hot{name}", f"cold{name}") == line["expect_uid"], line
        if "step_blocks" in line:
            run.count(height=run.height + line["step_blocks"])
        if "set_stake_rao" in line:
            set_stakes(run.state, line["set_stake_rao"])
        for uid, incentive in enumerate(line.get("expect_incentive_u64", [])):
            scores = Scores(incentive=incentive)
            run.state.put_neuron(replace(run.state.neuron(uid), scores=scores))
        if "expect_coldkey_refund" in line:
            refund = line["expect_coldkey_refund"]
            account = run.state.accounts[f"cold{refund['coldkey']}"]
            # The script's earlier newcomers were pruned with stake of the same coldkey.
            assert account.free_rao >= refund["rao"]
            found = [run.state.neuron(uid).stake_rao for uid in range(2)]
            assert found == line["expect_stake_rao"]


def test_a_newcomer_starts_clean() -> None:
    run = Execution(State(), replace(NETWORK, max_allowed_uids=1), signer="")
    fill_slot(run, "hot0", "cold0")
    run.state.weights[0], run.state.bonds[0] = ((0, 5),), ((0, 7),)
    fill_slot(run, "hot1", "cold1")
    assert (run.state.weights[0], run.state.bonds[0]) == ((), ())
    assert run.state.counters.reassigned_uids == (0,)
    assert run.state.uids["hot0"] < 0 == run.state.uids["hot1"]


@pytest.mark.parametrize("case", VECTORS["nakw-01-normalize"]["cases"])
def test_weights_are_normalised_as_in_the_vector(case: dict[str, Any]) -> None:
    assert normalise_weights(case["in"]) == case["out"]


@pytest.mark.parametrize("case", VECTORS["nakw-02-duplicates"]["cases"])
def test_duplicates_are_found(case: dict[str, Any]) -> None:
    limits = replace(NETWORK, max_weight_limit_u32=2**32 - 1)
    verdict = "ok"
    try:
        check_row(0, case["uids"], [1] * len(case["uids"]), 10, limits)
    except Refusal as refusal:
        verdict = refusal.code
    assert verdict == ("DuplicateUids" if case["duplicate"] else "ok")


@pytest.mark.parametrize("case", VECTORS["nakw-04-min-weights"]["cases"])
def test_too_few_weights_are_refused(case: dict[str, Any]) -> None:
    limits = replace(
        NETWORK,
        min_allowed_weights=case["min_allowed_weights"],
        max_weight_limit_u32=2**32 - 1,
    )
    verdict = "ok"
    try:
        check_row(0, case["uids"], case["values"], 2, limits)
    except Refusal as refusal:
        verdict = refusal.code
    assert verdict == case["expect"]


def test_rows_are_stored_without_zeros_and_within_the_cap() -> None:
    assert check_row(0, [3, 1, 2], [1, 0, 1], 4, NETWORK) == ((2, 2**31 - 1), (3, 2**31 - 1))
    for uids, values, reason in (
        ([1], [1], "MaxWeightExceeded"),
        ([1, 2], [1], "WeightVecNotEqualSize"),
        ([1, 9], [1, 1], "InvalidUid"),
    ):
        with pytest.raises(Refusal) as caught:
            check_row(0, uids, values, 4, NETWORK)
        assert caught.value.code == reason


def test_weights_may_not_be_set_too_fast() -> None:
    run = Execution(State(), NETWORK, HOTKEY)
    fill_slot(run, HOTKEY, COLDKEY)
    set_weights(run, [0], [1], 0)
    with pytest.raises(SettingWeightsTooFast, match="at block 10"):
        set_weights(run, [0], [1], 0)


@pytest.mark.parametrize("ip", ["", "1.2.3", "0.0.0.0", "::", "224.0.0.1", "fe80::1%eth0", "::1%é"])
def test_a_neuron_names_an_address_that_others_can_dial(ip: str) -> None:
    check_endpoint("2001:db8::1", 1)
    with pytest.raises(InvalidIpAddress):
        check_endpoint(ip, 8091)
    with pytest.raises(InvalidPort):
        check_endpoint("10.0.0.1", 65_536)


def test_work_is_bound_to_hotkey_block_and_difficulty() -> None:
    block_hash, public = bytes(range(32)), read_public_key(HOTKEY)
    assert public == Keypair(ss58_address=HOTKEY).public_key
    found = search_seal(block_hash, public, 64, 0, 10_000)
    assert found is not None
    nonce, seal = found
    assert seal == calculate_seal(block_hash, public, nonce)
    assert meets_difficulty(seal, 64)
    assert not meets_difficulty(seal, 2**256)
    assert search_seal(block_hash, public, 2**255, 0, 10) is None

    counters = Counters(
        height=8, difficulty=64, recent_hashes=("aa" * 32, "bb" * 32, block_hash.hex())
    )
    run = Execution(State(counters=counters), NETWORK, HOTKEY)
    for block_number in (4, 8):
        with pytest.raises(InvalidWorkBlock):
            register(run, block_number, nonce, seal.hex(), COLDKEY)
    with pytest.raises(InvalidSeal):
        register(run, 6, nonce, seal.hex(), COLDKEY)
    thief = replace_signer(run, COLDKEY)
    with pytest.raises(InvalidSeal):
        register(thief, 7, nonce, seal.hex(), COLDKEY)
    run.count(difficulty=2**200)
    with pytest.raises(InvalidDifficulty):
        register(run, 7, nonce, seal.hex(), COLDKEY)
    run.count(difficulty=64)
    register(run, 7, nonce, seal.hex(), COLDKEY)
    assert run.state.neuron_of(HOTKEY).coldkey == COLDKEY


def test_work_registers_once_and_is_remembered_while_it_would_hold() -> None:
    """The original's WorkRepeated: a hotkey that left its slot needs new work to come again."""
    block_hash = bytes(range(32))
    seal = calculate_seal(block_hash, read_public_key(HOTKEY), 7).hex()
    counters = Counters(height=8, recent_hashes=(block_hash.hex(),))
    run = Execution(State(counters=counters), NETWORK, HOTKEY)
    register(run, 7, 7, seal, COLDKEY)
    swap_hotkey(replace_signer(run, COLDKEY), HOTKEY, "another")
    with pytest.raises(WorkRepeated, match="search for another nonce"):
        register(run, 7, 7, seal, COLDKEY)

    kept = run.state.counters
    assert [bool(forget_old_seals(replace(kept, height=now)).used_seals) for now in (9, 10)] == [
        True,
        False,
    ]
    assert Counters.read(json.loads(json.dumps(asdict(kept)))) == kept
    assert encode_counters(kept) != encode_counters(replace(kept, used_seals=()))


def replace_signer(run: Execution, signer: str) -> Execution:
    return Execution(run.state, run.parameters, signer)


@pytest.mark.parametrize("vector", DELEGATION["vectors"], ids=lambda vector: vector["id"])
def test_payouts_are_shared_as_in_the_vector(vector: dict[str, Any]) -> None:
    take = DELEGATION["params"]["take_u16"] if vector.get("delegate", True) else None
    parts = split_payout(vector["validator_emission"], vector["owner"], vector["before"], take)
    after = {name: rao + parts.get(name, 0) for name, rao in vector["before"].items()}
    assert after == vector["after"]


def test_mainnet_is_the_original_to_the_letter() -> None:
    assert (MAINNET_2022.blocks_per_step, MAINNET_2022.block_milliseconds) == (100, 12_000)
    assert (MAINNET_2022.min_allowed_weights, MAINNET_2022.max_weight_limit_u32) == (
        1024,
        17_179_868,
    )
