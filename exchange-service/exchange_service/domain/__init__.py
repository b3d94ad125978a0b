"""The rules of the market: orders, matching, and the ledger."""
