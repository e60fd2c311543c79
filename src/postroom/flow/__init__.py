"""One file per use, named as an operator would name it, in rooms named by what the use is about. Rooms import
downward only (the contract is in pyproject.toml, the picture in docs/map.md)."""
