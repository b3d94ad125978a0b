"""What is the operator's: whether the market takes new orders, and what an account pays."""
