"""The exchange's tables, as numbered scripts."""
