"""The handler behind `Custom::IAMAccessKey`: creates, rotates, restores and deletes IAM access keys."""
