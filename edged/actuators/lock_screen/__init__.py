"""Locks the sessions of this machine, signs out, keeps locked. Nothing here unlocks, ever."""
