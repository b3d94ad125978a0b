"""The chain: the ledger, the blocks, and the consensus that pays Servers and Validators."""
