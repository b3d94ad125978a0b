"""The chain's rules: pure functions over values, written to be read."""
