"""The use cases: each is one transaction, and nothing else writes the state of items, listings and orders.

`items.py` is what an owner or an ERP asks for, `pictures.py`, `publishing.py` and `sales.py` what the workers report;
`unit.py` writes a change with all that it causes.
"""
