"""Balances, deposits and withdrawals, and the wallet on the chain behind them."""
