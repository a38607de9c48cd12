"""Lineage both ways: from a user's list to the deliveries behind it, and from a delivery to all that it touched."""
