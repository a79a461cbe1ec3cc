"""What operators do with rejected events."""
