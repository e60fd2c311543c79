"""One file per use, named as an operator would name it."""
