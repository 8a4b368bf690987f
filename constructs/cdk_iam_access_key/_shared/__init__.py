"""What the constructs share."""
