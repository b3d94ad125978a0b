"""What every service stands on. It knows no service by name."""
