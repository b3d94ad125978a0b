"""The chain: the ledger, the blocks, and the consensus that pays Servers and Validators."""

from chain_service.compiled import find_compiled

__path__[:0] = find_compiled()
