"""The wheel holds all that the programs need and nothing of the tests: installed in a venv of its own, they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from sim.programs import MODULES

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]
SUFFIXES_OF_DATA = {".hex", ".clsp", ".clib", ".json", ".html", ".typed"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(*command: str, **environment: str) -> str:
    """What the command prints; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CARBON_", "PYTHON"))}
    done = subprocess.run(
        command, env={**clean, **environment}, cwd="/", capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new venv that holds the wheel and what it names as its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel))
    return folder / "bin"


def test_wheel_holds_every_file_of_the_packages_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {each for each in tops if not each.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in SUFFIXES_OF_DATA | {".py"} and path.is_file():
                assert str(path.relative_to(ROOT)) in names
        assert f"{package}/py.typed" in names


@pytest.mark.parametrize("program", sorted(MODULES))
def test_program_of_the_wheel_runs(installed: Path, program: str) -> None:
    assert "Usage:" in run(str(installed / program), "--help")


def test_packages_come_from_the_wheel_and_their_data_with_them(installed: Path) -> None:
    program = """
import json, pathlib, puzzles.program, sim, tokenization_engine, explorer, climate_wallet, chain
from importlib import resources
from chain.database import newest_script
packages = (puzzles, sim, tokenization_engine, explorer, climate_wallet, chain)
databases = ("climate_wallet", "tokenization_engine", "explorer")
print(json.dumps({
    "places": [str(pathlib.Path(each.__file__).parent) for each in packages],
    "migrations": [newest_script(f"{each}.migrations") for each in databases],
    "puzzle": bool(puzzles.program.load_mod("registry_ledger").get_tree_hash()),
    "template": (resources.files("explorer") / "templates" / "index.html").is_file(),
}))
"""
    found = json.loads(run(str(installed / "python"), "-I", "-c", program))
    assert all(str(installed.parent) in place for place in found["places"])
    assert found["puzzle"]
    assert found["template"]
    assert all(number >= "0001" for number in found["migrations"])


def test_whole_story_is_told_by_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    told = run(str(installed / "climate-sim"), "demo", "--folder", str(tmp_path / "demo"), HOME=str(tmp_path))
    assert "certificate" in told
