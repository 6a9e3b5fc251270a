"""Kanjo (勘定): a bank's transaction centre that never closes."""
