"""Django's SQLite backend, with every write under the write lock."""
