"""The chain's tables, as numbered scripts that run once each."""
