"""Django's PostgreSQL backend, with one writing transaction of pages at a time and word to those who listen."""
