"""Rounds: ask the Servers, score their answers, set weights."""
