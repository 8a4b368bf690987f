"""The functions behind the guards of root access keys: of one account, and of an organization."""
