"""Reads a Dockerfile: as much of the language as ours use; anything else raises."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

KNOWN = frozenset(
    "FROM RUN COPY ENV WORKDIR USER EXPOSE VOLUME STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split(),
)


@dataclass(frozen=True)
class Instruction:
    """One instruction with its options (`--from=build`) taken off."""

    word: str
    rest: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The words of a COPY, a USER and the like."""
        return self.rest.split()

    @property
    def command(self) -> list[str]:
        """What a RUN, CMD, ENTRYPOINT or HEALTHCHECK executes: its own list, or the shell with its text."""
        text = self.rest.removeprefix("CMD ").strip() if self.word == "HEALTHCHECK" else self.rest
        if text.startswith("["):
            words: list[str] = json.loads(text)
            return words
        return ["/bin/sh", "-c", text]

    @property
    def variables(self) -> dict[str, str]:
        """The members of an ENV."""
        pairs = re.findall(r"(\w+)=(\S*)", self.rest)
        return {name: value.strip('"') for name, value in pairs}


@dataclass(frozen=True)
class Stage:
    """What follows one FROM."""

    base: str
    name: str
    instructions: list[Instruction]

    def last(self, word: str) -> Instruction | None:
        """Return the instruction of that kind that counts: the last one."""
        return next((found for found in reversed(self.instructions) if found.word == word), None)


def read(file: Path) -> list[Stage]:
    """Return the stages in order; the last one is the image."""
    stages: list[Stage] = []
    for instruction in _instructions(file.read_text()):
        if instruction.word == "FROM":
            base, _, name = instruction.rest.partition(" AS ")
            stages.append(Stage(base.strip(), name.strip(), []))
        else:
            stages[-1].instructions.append(instruction)
    return stages


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [_instruction(line) for line in joined.splitlines()]


def _instruction(line: str) -> Instruction:
    word, _, rest = line.strip().partition(" ")
    if word not in KNOWN:
        raise ValueError(f"{word} is an instruction these tests do not know")
    options = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        options[match[1]] = match[2]
        rest = rest[match.end() :]
    return Instruction(word, rest.strip(), options)


def context(folder: Path) -> list[PurePosixPath]:
    """Return the files that .dockerignore lets out of `folder` to the builder; the last pattern that fits decides."""
    patterns = [
        line.strip()
        for line in (folder / ".dockerignore").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    found = []
    for path in _files(folder, patterns):
        kept = True
        for pattern in patterns:
            wanted = pattern.startswith("!")
            if _fits(path, pattern.removeprefix("!")):
                kept = wanted
        if kept:
            found.append(path)
    return sorted(found)


def _files(folder: Path, patterns: list[str]) -> list[PurePosixPath]:
    """Return what could be let through: with `*` first, only what a later pattern names."""
    if "*" not in patterns:
        raise ValueError("an ignore file that forbids all but what it names is expected")
    named = [folder / pattern[1:] for pattern in patterns if pattern.startswith("!")]
    files = [path for path in named if path.is_file()]
    files += [path for place in named if place.is_dir() for path in place.rglob("*") if path.is_file()]
    return [PurePosixPath(path.relative_to(folder).as_posix()) for path in files]


def _fits(path: PurePosixPath, pattern: str) -> bool:
    """Tell whether a pattern names the path or a folder it lies in."""
    candidates = [path, *path.parents][:-1]
    if pattern.startswith("**/"):
        return any(PurePosixPath(candidate.name).match(pattern[3:]) for candidate in candidates)
    if pattern == "*":
        return True
    return any(str(candidate) == pattern for candidate in candidates)
