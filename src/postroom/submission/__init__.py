"""The door for mail over SMTP (RFC 6409)."""
