"""Evidence to findings, pure."""
