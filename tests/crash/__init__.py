"""A whole installation that is killed again and again under load, and what is left of it held against a ledger."""
