"""The containers tried for real: `make compose-test`."""
