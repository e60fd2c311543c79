"""What Postroom is measured against."""
