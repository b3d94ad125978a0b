"""The words that all services share, as types, so that two ids cannot be swapped."""

from typing import NewType

Hotkey = NewType("Hotkey", str)
"""SS58 address of the key that names a neuron and signs its traffic."""

Coldkey = NewType("Coldkey", str)
"""SS58 address of the key that owns money."""

Uid = NewType("Uid", int)
"""A neuron's slot on the chain, from 0."""

BlockNumber = NewType("BlockNumber", int)
"""Height of a block; genesis is 0."""
