"""The web pages: what the network does, as people see it."""
