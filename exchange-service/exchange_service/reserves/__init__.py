"""Proof of reserves: what is owed, in a tree; what is held, signed for with its keys."""
