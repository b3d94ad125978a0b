"""The node's tables."""
