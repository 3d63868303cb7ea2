"""The floor of a container: a handler that does nothing."""


def lambda_handler(event: object, context: object) -> dict[str, object]:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}
