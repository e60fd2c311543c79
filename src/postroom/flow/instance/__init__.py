"""The installation itself: name, languages, looks, how a step says no, what repeats, what is kept how long."""
