"""Mail domains: what their DNS says, the keys that sign for them, and which of them mail may go to."""
