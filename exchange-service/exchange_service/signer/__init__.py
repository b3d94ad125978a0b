"""The signer: a process of its own that alone holds the keys, and signs what the books hold."""
