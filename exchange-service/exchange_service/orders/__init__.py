"""Orders and their trades: what a trader does and asks with a key."""
