"""The hot door: messages handed in over HTTP."""
