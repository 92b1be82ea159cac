"""The files of docs/cluster, as far as they can be checked without a cloud."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.helpers.paths import ROOT

FOLDER = ROOT / "docs" / "cluster"
PIN = re.search(
    r"^ray==(.+)$", (FOLDER.parent.parent / ".ci" / "constraints.txt").read_text(), flags=re.M
)


def test_ray_accepts_the_file_for_aws() -> None:
    import ray.autoscaler

    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    config = yaml.safe_load((FOLDER / "aws.yaml").read_text())
    jsonschema.validate(config, json.loads(schema.read_text()))
    heads = " ".join(config["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in heads
    assert any("RAY_AUTH_MODE=token" in option for option in config["docker"]["run_options"])


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_every_pod_of_the_rayjob_has_the_storage_the_login_and_the_same_image() -> None:
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    storage = re.search(r"cluster\.storage=(\S+)", job["spec"]["entrypoint"])
    assert storage is not None
    assert len(pods(job)) > 1
    for pod in pods(job):
        (container,) = pod["containers"]
        assert [m["mountPath"] for m in container["volumeMounts"]] == [storage.group(1)]
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert container["env"]
        assert all("secretKeyRef" in variable["valueFrom"] for variable in container["env"])
        assert container["image"] == "IMAGE"
        assert container["resources"]["limits"] == container["resources"]["requests"]


@pytest.mark.parametrize("name", ["rayjob.yaml", "Dockerfile"])
def test_versions_are_those_of_the_pins(name: str) -> None:
    assert PIN is not None
    assert PIN.group(1) in (FOLDER / name).read_text()


def test_the_script_for_slurm_is_bash() -> None:
    subprocess.run(["bash", "-n", FOLDER / "slurm.sh"], check=True)
    text = (FOLDER / "slurm.sh").read_text()
    assert not re.search(r"^\s*ray stop", text, flags=re.M)  # it would stop others' clusters
