"""The code blocks of the documentation, and what of them is executed.

    ```bash            commands, run as one script in the project's folder; each must succeed
    ```console         `$ command` lines with the output each shows
    ```bash aws        shown only; the word says why, and WHY_NOT_RUN lists the words
    (anything else)    no shell, so no command may stand in it

A block that ends in `make run` or `make local` starts that server; it serves the blocks after it,
until the next such block or the end of the document.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt

WHY_NOT_RUN = {
    "aws": "needs an AWS account",
    "github": "needs a repository at GitHub",
    "yours": "needs a pipeline of the reader's own; docs/own-model.md runs the same commands",
    "bench": "sets up an environment for each peer, and takes its time",
    "once": "fetches or sets up what the copy under test already has",
}
EXECUTED = {"bash", "console"}
SHELLS = {"bash", "console", "sh", "shell", "zsh", "shell-session", "shellsession"}
PROSE = {"", "text", "txt", "plain", "plaintext"}
COMMAND = re.compile(
    r"^\s*(\$ |(aws|cd|curl|docker|export|git|make|mlops|pip|pytest|python3?|sam|source|uv) )",
    re.MULTILINE,
)
SERVER = re.compile(r"^make (run|local)$")
ENGINE = re.compile(r"^(make (build|local)|sam|docker)\b", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    command: str
    shown: str = ""  # the output the document shows; nothing shown, nothing compared


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    info: str
    text: str
    indented: bool = False

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def reason(self) -> str:
        """Why it is shown only; empty for a block that is executed."""
        return self.info.partition(" ")[2].strip()

    @property
    def is_executed(self) -> bool:
        return self.language in EXECUTED and not self.reason

    @property
    def starts_server(self) -> bool:
        return self.is_executed and SERVER.match(self.steps()[-1].command) is not None

    @property
    def needs_engine(self) -> bool:
        return any(ENGINE.search(step.command) for step in self.steps())

    def steps(self) -> list[Step]:
        if self.language == "console":
            return list(console_steps(self.text))
        lines = [line for line in self.text.splitlines() if line.strip()]
        if lines and SERVER.match(lines[-1]):
            before = "\n".join(lines[:-1])
            return [*([Step(before)] if before else []), Step(lines[-1])]
        return [Step(self.text)]

    def problem(self) -> str | None:
        """Why a reader would take it for something to type although it is never tried."""
        if self.language in SHELLS - EXECUTED:
            return f"say bash or console, not {self.language}"
        if self.language in EXECUTED and self.reason not in {"", *WHY_NOT_RUN}:
            return f"{self.reason!r} is no reason: {WHY_NOT_RUN}"
        if self.language == "console" and not self.text.startswith("$ "):
            return "a console block starts with `$ command`"
        if self.language in PROSE and (command := COMMAND.search(self.text)):
            return f"{command[0].strip()!r} looks like a command, in a block that is not run"
        return None


def blocks(document: str, text: str) -> list[Block]:
    return [
        Block(
            document,
            line=(token.map or [0])[0] + 1,
            info=token.info.strip(),
            text=token.content,
            indented=token.type == "code_block",
        )
        for token in MarkdownIt().parse(text)
        if token.type in {"fence", "code_block"}
    ]


def console_steps(text: str) -> Iterator[Step]:
    """Split at the lines that start with `$ `; a backslash at the end continues a command."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = next(
            (number for number, line in enumerate(lines, 1) if not line.endswith("\\")), len(lines)
        )
        yield Step("\n".join(lines[:length]), "\n".join(lines[length:]).strip())
