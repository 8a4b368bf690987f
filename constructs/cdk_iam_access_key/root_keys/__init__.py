"""The guards of root access keys."""
