"""The log read by people and programs: histories, lineages, subscriptions, and any moment of the past."""
