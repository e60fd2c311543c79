"""From the queue to a server and what comes back: deliver, settle, hold, bounces."""
