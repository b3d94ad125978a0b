"""What a block and a transaction are, and which of them the node takes."""
