"""The gateway's books: accounts, keys, deposits, and what each call cost."""
