"""Everything about Tradera's REST API v4."""
