"""
Calls by which a neuron ranks others: at once, or committed first and revealed later.

Source: opentensor/subtensor_deprecated, pallets/subtensor/src/weights.rs; version key, rate limit
and commitments as in today's chain.
"""

from collections.abc import Sequence
from dataclasses import replace

from chain_service.domain.encoding import hash_value
from chain_service.domain.errors import (
    DuplicateUids,
    IncorrectWeightVersionKey,
    InvalidRevealCommitHashNotMatch,
    InvalidUid,
    MaxWeightExceeded,
    NotSettingEnoughWeights,
    NoWeightsCommitFound,
    RevealTooEarly,
    SettingWeightsTooFast,
    WeightVecNotEqualSize,
)
from chain_service.domain.execution import Execution
from chain_service.domain.network import Row
from chain_service.domain.parameters import UINT32_MAX, ChainParameters
from chain_service.domain.rows import pack_row
from chain_service.domain.values import Neuron


def set_weights(
    run: Execution, uids: Sequence[int], values: Sequence[int], version_key: int
) -> None:
    """Rank other neurons; signed by the hotkey."""
    neuron = run.state.neuron_of(run.signer)
    check_version(run.parameters, version_key)
    check_rate(run, neuron)
    row = check_row(neuron.uid, uids, values, run.state.counters.neuron_count, run.parameters)

    store_weights(run, neuron, row)


def commit_weights(run: Execution, commit_hash: str) -> None:
    """Promise weights by their hash; a newer promise takes the place of an older one."""
    neuron = run.state.neuron_of(run.signer)
    check_rate(run, neuron)

    run.state.put_neuron(replace(neuron, commit_hash=commit_hash, commit_block=run.height))

    run.record("WeightsCommitted", uid=neuron.uid, commit_hash=commit_hash)


def reveal_weights(
    run: Execution, uids: Sequence[int], values: Sequence[int], salt: str, version_key: int
) -> None:
    """Show the promised weights, a step or more after the promise; they count from now on."""
    neuron = run.state.neuron_of(run.signer)
    if neuron.commit_hash is None or neuron.commit_block is None:
        raise NoWeightsCommitFound("nothing was committed; use commit_weights first")
    if neuron.commit_block >= run.state.counters.last_step_block:
        raise RevealTooEarly("weights are revealed after the next step, not before")
    if neuron.commit_hash != hash_weights(run.signer, uids, values, salt, version_key):
        raise InvalidRevealCommitHashNotMatch("these are not the weights that were committed")
    check_version(run.parameters, version_key)
    row = check_row(neuron.uid, uids, values, run.state.counters.neuron_count, run.parameters)

    store_weights(run, replace(neuron, commit_hash=None, commit_block=None), row)


def store_weights(run: Execution, neuron: Neuron, row: Row) -> None:
    """Keep a row that was checked; its neuron goes to the end of the queue."""
    run.state.weights[neuron.uid] = pack_row(row)
    run.state.put_neuron(
        replace(neuron, weights_block=run.height, last_update_block=run.height, priority=0)
    )

    run.record("WeightsSet", uid=neuron.uid)


def hash_weights(
    hotkey: str, uids: Sequence[int], values: Sequence[int], salt: str, version_key: int
) -> str:
    """Return what `commit_weights` promises: blake2b-256 of the canonical JSON of these five."""
    promise = {
        "hotkey": hotkey,
        "uids": list(uids),
        "values": list(values),
        "salt": salt,
        "version_key": version_key,
    }
    return hash_value(promise).hex()


def normalise_weights(values: Sequence[int]) -> list[int]:
    """Return floor(w · (2^32 − 1) / Σw); all zero stays zero."""
    total = sum(values)
    return [value * UINT32_MAX // total if total else 0 for value in values]


def check_row(
    uid: int,
    uids: Sequence[int],
    values: Sequence[int],
    neuron_count: int,
    parameters: ChainParameters,
) -> tuple[tuple[int, int], ...]:
    """
    Return the row that is stored for these weights, or refuse them.

    Decision (docs/mechanism.md §2): weights of 0 are not stored, else they would count as trust.
    """
    if len(uids) != len(values):
        raise WeightVecNotEqualSize(f"{len(uids)} uids and {len(values)} values do not pair")
    if len(set(uids)) != len(uids):
        raise DuplicateUids("each uid may be named once")
    unknown = [other for other in uids if other >= neuron_count]
    if unknown:
        raise InvalidUid(f"there is no uid {unknown[0]}; the last is {neuron_count - 1}")
    is_self_weight = list(uids) == [uid]
    if len(uids) < parameters.min_allowed_weights and not is_self_weight:
        raise NotSettingEnoughWeights(
            f"{len(uids)} weights are fewer than {parameters.min_allowed_weights}"
        )
    row = zip(uids, normalise_weights(values), strict=True)
    stored = tuple(sorted((other, weight) for other, weight in row if weight > 0))
    limit = parameters.max_weight_limit_u32
    if any(weight > limit and other != uid for other, weight in stored):
        raise MaxWeightExceeded(f"a weight is above {limit} of {UINT32_MAX}; spread them wider")
    return stored


def check_version(parameters: ChainParameters, version_key: int) -> None:
    if version_key < parameters.weights_version_key:
        raise IncorrectWeightVersionKey(
            f"version {version_key} is older than {parameters.weights_version_key}; update"
        )


def check_rate(run: Execution, neuron: Neuron) -> None:
    if neuron.weights_block is None:
        return
    allowed = neuron.weights_block + run.parameters.weights_rate_limit_blocks
    if run.height < allowed:
        raise SettingWeightsTooFast(f"weights may be set again at block {allowed}")
