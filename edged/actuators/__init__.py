"""Subscribers that act in the world, each in a process of its own."""
