"""The exchange's rules: pure, and compiled where `make compile` has been run."""

from exchange_service.compiled import find_compiled

__path__[:0] = find_compiled("domain")
