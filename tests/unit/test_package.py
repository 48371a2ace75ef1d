"""What is built for installation holds every file of the package: documents, migrations, pages, styles."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_wheel_and_source_archive_hold_every_file(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    source = REPOSITORY / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    assert "simwarden/northbound/common.yaml" in files
    [wheel], [archive] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        assert files <= set(packed.namelist())
    with tarfile.open(archive) as packed_source:
        assert files <= {name.partition("/src/")[2] for name in packed_source.getnames()}
