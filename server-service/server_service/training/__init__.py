"""Making a small language model from a corpus: tokenizer, learning, measuring, card."""
