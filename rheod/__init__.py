"""rheod: a small reseller's items, sold on Tradera through the Rheo Integration API."""

__version__ = "0.1.0"
