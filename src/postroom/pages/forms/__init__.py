"""What was typed, kept as typed, and read as what it means."""
