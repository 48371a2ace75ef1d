"""Plays a Dockerfile without Docker: COPY and RUN in folders that stand for each stage's root.

Absolute paths that a stage writes to are moved into its folder; the base image is a Python of this machine. What needs
root (useradd) is not played, but returned.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WRITTEN = re.compile(r"(?<![\w.])/(build|opt|var/lib/simwarden)(?![\w-])")


@dataclass
class Instruction:
    """One line of the Dockerfile, its continuation lines included."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The parts of the exec form, else of the text."""
        return json.loads(self.text) if self.text.startswith("[") else self.text.split()


@dataclass
class Stage:
    """A stage and the folder that stands for its root."""

    name: str
    instructions: list[Instruction]
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """A text with this stage's paths moved into its folder."""
        return _WRITTEN.sub(lambda found: f"{self.root}/{found[1]}", text)

    def one(self, name: str) -> Instruction:
        """The last instruction of this name."""
        return next(found for found in reversed(self.instructions) if found.name == name)


def read(path: Path, folder: Path) -> list[Stage]:
    """The stages, unplayed."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    stages: list[Stage] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            own = rest.partition(" AS ")[2] or str(len(stages))
            stages.append(Stage(own, [], folder / own))
        stages[-1].instructions.append(Instruction(name, rest))
    return stages


def play(stages: list[Stage], context: Path, python: str) -> Stage:
    """Play all stages with this Python as the base image's; returns the last one. Raises CalledProcessError."""
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        stage.root.mkdir()
        work = stage.root
        for step in stage.instructions:
            if step.name == "WORKDIR":
                work = stage.root / step.text.strip("/")
                work.mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                words = step.words
                source = (
                    by_name[words.pop(0).removeprefix("--from=")].root if words[0].startswith("--from") else context
                )
                target = stage.root / words[-1].strip("/") if words[-1].startswith("/") else work / words[-1]
                for word in words[:-1]:
                    _copy(source / word.strip("/"), target, into=words[-1].endswith("/"))
            elif step.name == "ENV":
                for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', step.text):
                    stage.environment[name] = stage.here(value.strip('"'))
            elif step.name == "RUN" and step.text.startswith("useradd"):
                stage.skipped.append(step.text)
            elif step.name == "RUN":
                script = re.sub(r"(?<![\w/])python(?= )", python, stage.here(step.text))
                subprocess.run(["sh", "-ec", script], cwd=work, check=True, capture_output=True, text=True)
    return stages[-1]


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        if into:
            target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
