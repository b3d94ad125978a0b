"""A Bitcoin node for the box: regtest's rules, blocks and JSON-RPC, without a network behind it.

What speaks to it speaks to Bitcoin Core in regtest just as well: a real node can take its place.
"""
