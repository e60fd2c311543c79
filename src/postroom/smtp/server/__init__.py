"""The server's side of SMTP, without sockets: what doors are made of that take mail."""
