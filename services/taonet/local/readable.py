"""Which tables dashboards may read: money and consensus, but no key, secret or prompt."""

from typing import Final

from taonet.local.stores import OWNERS

TABLES: Final = {
    "chain_service": (
        *("block", "event", "neuron", "stake", "weights", "bonds", "author", "mempool"),
        *("genesis", "account", "extrinsic", "halt", "outbox", "told_event"),
    ),
    "validator_service": (
        *("round", "standing", "tally", "server_tally", "server_round", "job_time"),
        *("call", "transfer", "payment", "payout", "refund", "account"),
    ),
    "exchange_service": (
        *("trade", "trade_order", "balance", "transfer", "deposit", "withdrawal", "candle"),
        *("ledger_seal", "engine", "history_mark", "bitcoin_coin"),
    ),
    "bitcoin_node": ("block", "output", "waiting"),
}
"""By the package whose migrations make them."""


def readable_tables() -> dict[str, tuple[str, ...]]:
    """Return the tables by the schema they lie in."""
    return {owner: TABLES[package] for owner, package in OWNERS.items()}
