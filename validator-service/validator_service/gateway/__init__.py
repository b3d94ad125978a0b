"""OpenAI's REST over the network's Servers."""
