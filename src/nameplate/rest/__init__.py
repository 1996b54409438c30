"""What the signed API cannot do: files, batches of millions, live progress, exports, webhooks; under `/v1`."""
