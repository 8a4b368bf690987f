"""What the rules speak of: state, ownership, records, actions, errors."""
