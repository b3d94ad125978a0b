"""The rules of a corpus: where a text is cut, and on which side of the split it falls."""
