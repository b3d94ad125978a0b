"""A service that is none of ours, for the kit's tests."""
