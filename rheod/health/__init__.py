"""Is all well? Facts, the rules over them, and who is told."""
