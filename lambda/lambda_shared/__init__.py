"""What the function packages share: answers to CloudFormation, the log, calls to AWS, time and errors."""
