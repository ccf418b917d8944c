"""Pictures: download, decode in a child process, store, collect garbage."""
