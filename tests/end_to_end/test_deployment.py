"""The files of the server in Docker, as far as they can be checked without Docker."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.paths import ROOT

FOLDER = ROOT / "mlflow"
TEXT = (FOLDER / "compose.yaml").read_text()
SECRETS = {
    "POSTGRES_PASSWORD",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "MLFLOW_ADMIN_USERNAME",
    "MLFLOW_ADMIN_PASSWORD",
    "MLFLOW_SECRET_KEY",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = yaml.safe_load(TEXT)["services"]
    assert isinstance(found, dict)
    return found


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values()]
    base = re.findall(r"^FROM (\S+)", (FOLDER / "Dockerfile").read_text(), flags=re.M)
    assert base
    for image in images + base:
        assert re.search(r":v?\d+\.\d+", image), image
    pins = (FOLDER.parent / ".ci" / "constraints.txt").read_text().splitlines()
    version = services["server"]["image"].split(":")[1]
    assert f"mlflow=={version}" in pins  # one version, in the image and on the workers


def test_secrets_are_required_and_never_written_down() -> None:
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == SECRETS
    example = (FOLDER / ".env.example").read_text()
    given = dict(re.findall(r"^(\w+)=(.*)$", example, flags=re.M))
    assert set(given) == SECRETS
    assert {key for key, value in given.items() if value} == {"MLFLOW_ADMIN_USERNAME"}
    assert set(re.findall(r"\$\{(\w+):-", TEXT)) == set(
        re.findall(r"^#(\w+)=", example, flags=re.M)
    )


def test_only_mlflow_listens_and_on_the_loopback(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"server"}
    (port,) = services["server"]["ports"]
    assert port.startswith("${MLFLOW_BIND:-127.0.0.1}:")


def test_each_service_waits_for_healthy_ones(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "healthcheck" in service or service["restart"] == "no", name
        for other, wanted in service.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in services[other])
    assert len(services["server"]["depends_on"]) > 1


def test_files_and_volumes_exist(services: dict[str, Any]) -> None:
    named = yaml.safe_load(TEXT)["volumes"]
    sources = [v.split(":")[0] for service in services.values() for v in service.get("volumes", [])]
    assert set(named) < set(sources)
    for source in sources:
        assert source in named or (FOLDER / source).exists()
    copies = re.findall(r"^COPY (\S+)", (FOLDER / "Dockerfile").read_text(), flags=re.M)
    assert copies
    for copied in copies:
        assert (FOLDER.parent / copied).exists()
        assert f"!{copied}" in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()


def test_scripts_can_be_read() -> None:
    scripts = {path.name: path for path in FOLDER.glob("*.sh")}
    assert scripts.keys() > {"backup.sh", "restore.sh", "start.sh"}
    for name, path in scripts.items():
        assert subprocess.run(["sh", "-n", path]).returncode == 0, name


@pytest.mark.parametrize("name", ["backup.sh", "restore.sh"])
def test_scripts_refuse_what_is_wrong(name: str, tmp_path: Path) -> None:
    refused = subprocess.run(["sh", FOLDER / name], capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"usage: mlflow/{name} FOLDER")


def test_a_password_that_no_address_can_hold_is_refused() -> None:
    refused = subprocess.run(
        ["sh", FOLDER / "start.sh"],
        env={"PATH": "/usr/bin:/bin", "POSTGRES_PASSWORD": "se/cret"},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("POSTGRES_PASSWORD: allowed: letters")
    assert "se/cret" not in refused.stderr
