"""Proof that a fresh Debian passes: commands of this checkout in a container with the essential packages only."""
