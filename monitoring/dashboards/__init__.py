"""Grafana's dashboards, written in Python. `python -m monitoring.dashboards` makes their JSON."""
