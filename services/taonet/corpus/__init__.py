"""Text: cut into content-addressed chunks, split once and for all into train and heldout."""
