"""Telling webhooks what has happened to batches."""
