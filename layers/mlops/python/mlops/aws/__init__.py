"""The ports on AWS. No other layer imports boto3."""
