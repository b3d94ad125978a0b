"""The `taonet` command."""
