"""SMTP without sockets: bytes in, events out."""
