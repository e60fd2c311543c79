"""Reports and where they come from: sources, connections, fetching, pushing, and the files that are stored."""
