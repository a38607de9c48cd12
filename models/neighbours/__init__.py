"""Nearest neighbours: of items by who took them, of users by what they took."""
