"""The use cases: each is one transaction, and nothing else writes the state of items, listings and orders.

`items.py` and `put_item.py` are what an owner or an ERP asks for; `pictures.py`, `listings.py` and `sales.py` are what the queues
report; `transaction.py` writes a change with the jobs and events it causes; `inventory.py` reads what there is.
"""
