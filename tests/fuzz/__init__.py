"""Readers of what others send, fed with what nobody would send."""
