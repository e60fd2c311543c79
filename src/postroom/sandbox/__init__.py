"""The built-in server that catches mail and shows it."""
