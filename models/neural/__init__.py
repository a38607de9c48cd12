"""Networks that read a user as a pool of what they did: NCF, two towers, several tasks."""
