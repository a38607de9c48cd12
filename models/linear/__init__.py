"""Item-item weights solved as a regression: EASE and the closed-form model, whole or for each item's neighbourhood."""
