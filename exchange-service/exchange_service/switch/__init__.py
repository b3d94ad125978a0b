"""The operator's switch: whether the market takes new orders."""
