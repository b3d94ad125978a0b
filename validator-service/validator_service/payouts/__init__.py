"""Paying the Servers on chain, and showing that the books are true."""
