"""Accounts, their API keys, and what the exchange says about itself."""
