"""The OpenAPI document, made from the operations that are served and the models their handlers use.

Reads declarations only; it serves nothing and decides nothing. What a model cannot say stands in `prose.py` and `meanings.py`.
"""
