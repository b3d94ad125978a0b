"""The chain's rules by themselves, for researchers: one step of a state, and files of vectors."""
