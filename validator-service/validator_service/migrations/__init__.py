"""Numbered SQL, applied once each by `taonet.kit.db.migrate`."""
