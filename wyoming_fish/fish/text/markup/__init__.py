"""Markup that models write for the eye, read while it is being written."""
