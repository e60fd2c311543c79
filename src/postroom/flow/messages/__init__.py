"""A message as its client asks for it, with its files, and what an operator does to it afterwards."""
