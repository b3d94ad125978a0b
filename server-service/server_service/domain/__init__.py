"""The rules of serving: who is admitted, what an answer may be."""
