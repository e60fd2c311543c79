"""Fixtures of the rig for every room's tests."""
