"""Everything inbound over HTTP."""
