"""Notices to whom subscribes to a topic in SNS."""

from typing import TYPE_CHECKING

from mlops.aws.calls import CONFIG, calling, opening, session

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

_LONGEST_SUBJECT = 100


def sns_client() -> "SNSClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("sns"):
        client = session().client("sns", config=CONFIG)
    return client


class TopicNotices:
    """Implements `Notices`. topic: its ARN."""

    def __init__(self, client: "SNSClient", topic: str) -> None:
        self._client = client
        self._topic = topic

    def send(self, subject: str, text: str) -> None:
        with calling(self._topic):
            self._client.publish(TopicArn=self._topic, Subject=_subject(subject), Message=text)


def _subject(text: str) -> str:
    """SNS takes up to 100 characters of ASCII, in one line."""
    line = " ".join(text.split())
    return line.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
