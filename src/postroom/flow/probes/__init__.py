"""Tests of a server: a delivery with a notebook, its stages and its log."""
