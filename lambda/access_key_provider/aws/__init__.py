"""The boto3 side of the ports, one module a service."""
