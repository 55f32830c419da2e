"""Typing: text and chords as key presses, through whatever keyboard can be had here."""
