"""Batches that come from files: uploaded, read, planned, applied, corrected."""
