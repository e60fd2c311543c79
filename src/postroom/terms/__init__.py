"""The field's words as types: no I/O, no clock, no framework."""
