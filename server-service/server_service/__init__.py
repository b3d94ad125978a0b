"""A Server: one language model, served to the network and paid for what it knows."""
