"""The construct as one CloudFormation template, for stacks that no Python writes.

`python -m cdk_iam_access_key.template DIRECTORY` writes it, and beside it the archive of the functions.
"""
