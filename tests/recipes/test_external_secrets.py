"""The manifests of External Secrets Operator, by its published schema, and by what makes the key renew itself."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.json_schema import problems

MANIFESTS = Path(__file__).parents[2] / "examples" / "external-secrets" / "operator-key.yaml"
SCHEMA = json.loads((Path(__file__).parent / "external_secrets.schema.json").read_text("utf-8"))


def manifests() -> dict[str, Any]:
    """Read the manifests, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(MANIFESTS.read_text("utf-8"))}


def wrong(manifest: dict[str, Any]) -> list[str]:
    """List what is wrong with a manifest."""
    return problems(SCHEMA["$defs"][manifest["kind"]], manifest, SCHEMA, manifest["kind"])


@pytest.mark.parametrize("kind", ["SecretStore", "ExternalSecret"])
def test_a_manifest_is_as_the_operator_takes_it(kind: str) -> None:
    """And one with a word that it does not know, or without one that it needs, is not."""
    manifest = manifests()[kind]
    assert wrong(manifest) == []
    misspelt = copy.deepcopy(manifest)
    misspelt["spec"]["refreshIntervall"] = "10m"
    assert wrong(misspelt) == [f"{kind}.spec must not have refreshIntervall"]


def test_a_store_without_a_region_is_refused() -> None:
    """The test could fail."""
    store = manifests()["SecretStore"]
    del store["spec"]["provider"]["aws"]["region"]
    assert wrong(store) == ["SecretStore.spec.provider.aws must have region"]


def test_the_operator_writes_over_the_key_that_it_reads_with() -> None:
    """Both values in one read, under the names of the provider's JSON, into the Secret that the store uses."""
    store, external = (manifests()[kind] for kind in ("SecretStore", "ExternalSecret"))
    key = store["spec"]["provider"]["aws"]["auth"]["secretRef"]
    target = external["spec"]["target"]
    assert key["accessKeyIDSecretRef"] == {"name": target["name"], "key": "accessKeyId"}
    assert key["secretAccessKeySecretRef"] == {"name": target["name"], "key": "secretAccessKey"}
    assert external["spec"]["secretStoreRef"] == {"kind": store["kind"], "name": store["metadata"]["name"]}
    assert external["metadata"]["namespace"] == store["metadata"]["namespace"]
    (source,) = external["spec"]["dataFrom"]
    assert re.fullmatch(r"arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+", source["extract"]["key"])
    assert source["extract"]["key"].split(":")[3] == store["spec"]["provider"]["aws"]["region"]
    assert (target["creationPolicy"], target["deletionPolicy"]) == ("Merge", "Retain")
