"""What can be wrong with what another party sent, apart from any transport.

Malformed
├── MalformedTensors     the bytes are not the tensors that were agreed on
└── MalformedAnswer      the tensors are not an answer a model could have given
"""


class Malformed(Exception):
    """What was received breaks the contract; the message says where."""


class MalformedTensors(Malformed):
    """The bytes are not the tensors that were agreed on."""


class MalformedAnswer(Malformed):
    """The tensors are not an answer that a model could have given."""
