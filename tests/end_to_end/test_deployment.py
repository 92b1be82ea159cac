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


def test_files_and_volumes_exist(services: dict[str, Any]) -> None:
    named = yaml.safe_load(TEXT)["volumes"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in named or (FOLDER / source).exists()
    for copied in re.findall(r"^COPY (\S+)", (FOLDER / "Dockerfile").read_text(), flags=re.M):
        assert (FOLDER.parent / copied).exists()
        assert f"!{copied}" in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_read_and_refuse_what_is_wrong(script: Path, tmp_path: Path) -> None:
    assert subprocess.run(["sh", "-n", script]).returncode == 0
    if script.name in ("backup.sh", "restore.sh"):
        refused = subprocess.run(["sh", script], capture_output=True, text=True, cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"usage: mlflow/{script.name} FOLDER")


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
