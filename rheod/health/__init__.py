"""Is all well? Facts, the rules over them, and how owner, systemd and Prometheus hear of them."""
