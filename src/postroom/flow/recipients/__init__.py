"""Whom mail reaches: recipients, their groups and files, and those who get none any more."""
