"""What answers each address, one file per noun."""
