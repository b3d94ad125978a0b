"""The embedded default: starts, watches and stops the whole cluster as processes."""
