"""The chain's rules: pure functions over values, compiled where `make compile` has been run."""

from chain_service.compiled import find_compiled

__path__[:0] = find_compiled("domain")
