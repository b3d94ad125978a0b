"""A cluster over several machines, tried in network namespaces: `make namespaces`."""
