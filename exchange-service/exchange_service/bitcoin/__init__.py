"""The exchange's side of Bitcoin: deposits found in its blocks, withdrawals paid into them."""
