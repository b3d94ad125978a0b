"""The exchange: the TAO/BTC order book, its ledger, and the wallets behind it."""

from exchange_service.compiled import find_compiled

__path__[:0] = find_compiled()
