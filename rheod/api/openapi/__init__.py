"""The OpenAPI document, made from the operations that are served and the models their handlers use."""
