"""Whether a device may connect: one check, and an adapter for each broker that asks."""
