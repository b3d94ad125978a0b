"""Calls that move free money. Each is written as check, charge, change, record."""

from chain_service.domain.errors import (
    ExistentialDeposit,
    InsufficientBalance,
    KeepAlive,
    TransferToSelf,
    ZeroAmount,
)
from chain_service.domain.execution import Execution


def transfer(run: Execution, receiver: str, amount_rao: int) -> None:
    """Send so much, and keep at least the existential deposit."""
    check_receiver(run, receiver, amount_rao)
    check_keeps_alive(run, amount_rao)

    run.debit(run.signer, amount_rao)
    run.credit(receiver, amount_rao)

    run.record("Transferred", sender=run.signer, receiver=receiver, amount_rao=amount_rao)


def transfer_all(run: Execution, receiver: str) -> None:
    """Send all there is after the fee; the account may end with nothing."""
    amount_rao = run.state.accounts[run.signer].free_rao
    check_receiver(run, receiver, amount_rao)

    run.debit(run.signer, amount_rao)
    run.credit(receiver, amount_rao)

    run.record("Transferred", sender=run.signer, receiver=receiver, amount_rao=amount_rao)


def check_receiver(run: Execution, receiver: str, amount_rao: int) -> None:
    """Refuse to send nothing, to oneself, or so little that the receiver can't live on it."""
    if receiver == run.signer:
        raise TransferToSelf("sender and receiver are the same account")
    if amount_rao == 0:
        raise ZeroAmount("there is nothing to send; give an amount above 0")
    deposit = run.parameters.existential_deposit_rao
    if run.state.accounts[receiver].free_rao + amount_rao < deposit:
        raise ExistentialDeposit(
            f"the receiver would hold less than the existential deposit; send {deposit} rao or more"
        )


def check_keeps_alive(run: Execution, amount_rao: int) -> None:
    """Refuse to take what is not there, or to leave less than the existential deposit."""
    free_rao = run.state.accounts[run.signer].free_rao
    if free_rao < amount_rao:
        raise InsufficientBalance(
            f"{run.signer} holds {free_rao} rao after the fee, needed are {amount_rao}"
        )
    if free_rao - amount_rao < run.parameters.existential_deposit_rao:
        raise KeepAlive(
            f"{run.parameters.existential_deposit_rao} rao must stay on the account; "
            "transfer_all may empty it"
        )
