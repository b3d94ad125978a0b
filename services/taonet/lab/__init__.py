"""The laboratory: thousands of Servers and Validators in one process, on the domain's own rules."""
