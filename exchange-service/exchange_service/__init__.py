"""The exchange: the TAO/BTC order book, its ledger, and the wallets behind it."""
