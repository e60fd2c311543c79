"""Postroom: outgoing mail of a report server, configured, proven, sent and explained."""

__version__ = "0.1.0"
