"""Calls that move money between an account and a neuron, its own or a delegate's."""

from dataclasses import replace

from chain_service.domain.errors import (
    DelegateTakeTooHigh,
    ExistentialDeposit,
    HotKeyAlreadyDelegate,
    HotKeyNotDelegate,
    NonAssociatedColdKey,
    NotEnoughBalanceToStake,
    NotEnoughStaketoWithdraw,
    ZeroAmount,
)
from chain_service.domain.execution import Execution
from chain_service.domain.values import Neuron

UINT16_MAX = 65_535


def add_stake(run: Execution, hotkey: str, amount_rao: int) -> None:
    """Put free money behind one's own neuron; the existential deposit stays."""
    neuron = run.state.neuron_of(hotkey)
    check_owner(run, neuron)
    check_stakeable(run, amount_rao)

    run.debit(run.signer, amount_rao)
    change_stake(run, neuron, amount_rao)

    run.record("StakeAdded", uid=neuron.uid, coldkey=run.signer, amount_rao=amount_rao)


def remove_stake(run: Execution, hotkey: str, amount_rao: int) -> None:
    """Take money back from one's own neuron, at once."""
    neuron = run.state.neuron_of(hotkey)
    check_owner(run, neuron)
    check_withdrawable(run, neuron, amount_rao)

    change_stake(run, neuron, -amount_rao)
    run.credit(run.signer, amount_rao)

    run.record("StakeRemoved", uid=neuron.uid, coldkey=run.signer, amount_rao=amount_rao)


def become_delegate(run: Execution, hotkey: str, take: int) -> None:
    """Let others put their money behind one's neuron, and keep `take`/65,535 of their pay."""
    neuron = run.state.neuron_of(hotkey)
    check_owner(run, neuron)
    if neuron.take is not None:
        raise HotKeyAlreadyDelegate(f"the hotkey {hotkey} is a delegate already")
    if take > run.parameters.max_delegate_take_u16:
        raise DelegateTakeTooHigh(
            f"the take is {take}, at most {run.parameters.max_delegate_take_u16} of {UINT16_MAX}"
        )

    run.state.put_neuron(replace(neuron, take=take))

    run.record("DelegateAdded", uid=neuron.uid, take=take)


def nominate(run: Execution, hotkey: str, amount_rao: int) -> None:
    """Put free money behind a delegate's neuron."""
    neuron = run.state.neuron_of(hotkey)
    if neuron.take is None:
        raise HotKeyNotDelegate(f"the hotkey {hotkey} takes no delegations")
    check_stakeable(run, amount_rao)

    run.debit(run.signer, amount_rao)
    change_stake(run, neuron, amount_rao)

    run.record("StakeAdded", uid=neuron.uid, coldkey=run.signer, amount_rao=amount_rao)


def un_nominate(run: Execution, hotkey: str, amount_rao: int) -> None:
    """Take money back from a delegate's neuron, at once."""
    neuron = run.state.neuron_of(hotkey)
    check_withdrawable(run, neuron, amount_rao)

    change_stake(run, neuron, -amount_rao)
    run.credit(run.signer, amount_rao)

    run.record("StakeRemoved", uid=neuron.uid, coldkey=run.signer, amount_rao=amount_rao)


def check_owner(run: Execution, neuron: Neuron) -> None:
    if neuron.coldkey != run.signer:
        raise NonAssociatedColdKey(
            f"the hotkey {neuron.hotkey} belongs to {neuron.coldkey}; sign with that coldkey"
        )


def check_stakeable(run: Execution, amount_rao: int) -> None:
    if amount_rao == 0:
        raise ZeroAmount("there is nothing to stake; give an amount above 0")
    spare = run.state.accounts[run.signer].free_rao - run.parameters.existential_deposit_rao
    if spare < amount_rao:
        raise NotEnoughBalanceToStake(
            f"{max(spare, 0)} rao may be staked beside the existential deposit, "
            f"asked are {amount_rao}"
        )


def check_withdrawable(run: Execution, neuron: Neuron, amount_rao: int) -> None:
    if amount_rao == 0:
        raise ZeroAmount("there is nothing to take back; give an amount above 0")
    staked = neuron.stakes_rao.get(run.signer, 0)
    if staked < amount_rao:
        raise NotEnoughStaketoWithdraw(
            f"{run.signer} has {staked} rao behind this hotkey, asked are {amount_rao}"
        )
    free_rao = run.state.accounts[run.signer].free_rao
    if free_rao + amount_rao < run.parameters.existential_deposit_rao:
        raise ExistentialDeposit(
            "the account would hold less than the existential deposit of "
            f"{run.parameters.existential_deposit_rao} rao; take back more"
        )


def change_stake(run: Execution, neuron: Neuron, change_rao: int) -> None:
    """Add to, or take from, the signer's stake behind a neuron."""
    stakes = dict(neuron.stakes_rao)
    stakes[run.signer] = stakes.get(run.signer, 0) + change_rao
    assert stakes[run.signer] >= 0
    if stakes[run.signer] == 0:
        del stakes[run.signer]
    run.state.put_neuron(replace(neuron, stakes_rao=stakes))


def split_payout(
    amount_rao: int, owner: str, stakes_rao: dict[str, int], take: int | None
) -> dict[str, int]:
    """
    Return what each coldkey gets of a neuron's pay.

    take = floor(pay · take / 65535) and what rounding leaves go to the owner, the rest pro rata of
    stake: floor(rest · stake_i / Σ stake). Without a take all is the owner's. Source: subtensor
    v1.0.0, pallets/subtensor/src/block_step.rs.
    """
    total = sum(stakes_rao.values())
    if take is None or total == 0:
        return {owner: amount_rao}
    rest = amount_rao - amount_rao * take // UINT16_MAX
    parts = {coldkey: rest * stake // total for coldkey, stake in stakes_rao.items()}
    parts[owner] = parts.get(owner, 0) + amount_rao - sum(parts.values())
    return parts
