"""What the function packages share: responses to CloudFormation, the log, calls to AWS, time and errors."""
