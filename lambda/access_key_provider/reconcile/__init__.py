"""Observes AWS, lets the rules plan, and carries out what they ask for."""
