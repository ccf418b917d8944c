"""The simulators behind `rheod demo` and `rheod sandbox`; imports nothing of the daemon but the domain."""
