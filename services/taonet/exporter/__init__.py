"""The exporter: what waits between the services, and how the stores are, for Prometheus."""
