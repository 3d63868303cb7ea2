"""The ports on AWS. No other room imports boto3."""
