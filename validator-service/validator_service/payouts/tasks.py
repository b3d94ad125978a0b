"""The jobs of paying Servers. A bell that is lost is rung again; one that comes twice harms not."""

from celery import current_app

from validator_service.payouts.paying import Payer
from validator_service.rounds.context import Context
from validator_service.rounds.tasks import job


def payer() -> Payer:
    held: Context = current_app.validator_context
    settings = held.settings
    return Payer(held.chain, held.pool, held.deposit_seed, settings.validator_payout_minimum_rao)


@job("validator.open_payout")
def open_payout() -> None:
    """Bind what the Servers are owed to a payment; the other job sends it."""
    payer().open_payout()


@job("validator.advance_payments")
def advance_payments() -> None:
    """Bring every payment under way one step further."""
    payer().advance()
