"""What the recipient reads."""
