"""The templates that come with Postroom: a TOML file each, with a text for each language."""
