"""Taonet: a network for machine intelligence that one team can own and run."""
