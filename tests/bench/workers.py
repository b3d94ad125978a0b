"""Rounds by 1, 2 and 4 worker processes, and 20 kills: `make bench NAME=workers`."""

import sys

import pytest

if __name__ == "__main__":
    chaos = "tests/validator_service/rounds/chaos.py"
    sys.exit(pytest.main([chaos, "-q", "-x", "-s", "-p", "no:cacheprovider"]))
