"""Reading for the pages: small functions over the tables, without any change."""
