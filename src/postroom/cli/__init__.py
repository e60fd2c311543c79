"""The door for terminals; composes the other doors into processes."""
