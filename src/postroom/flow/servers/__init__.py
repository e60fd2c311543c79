"""SMTP servers as they are configured: settings, order, pauses and health, and the rules that choose among them."""
