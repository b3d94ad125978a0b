"""The rules of judgement: losses, scores, weights, and the price of a call."""
