"""Templates: kept, previewed and filled in, for submitted messages and for what Postroom writes by itself."""
