"""What `AccessKey` consists of."""
