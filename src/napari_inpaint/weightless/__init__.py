"""Fills that need no weights, as functions on tensors."""
