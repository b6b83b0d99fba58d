"""What Kustomize and Helm make of the files of container/deploy."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
DEPLOY = TOP / "container/deploy"
NAMESPACE = "mesh-intercept"


class UniqueKeys(yaml.CSafeLoader):
    """Refuses a key that is there twice, of which other readers take one."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"twice in one object: {', '.join(sorted(twice))}{node.start_mark}")
        return super().construct_mapping(node, deep)


class Failed(Exception):
    """A program that renders has failed."""


def run(*command):
    done = subprocess.run([str(word) for word in command], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[1:3]))}: {done.stderr.strip()}")
    return done.stdout


def objects(text):
    return [it for it in yaml.load_all(text, Loader=UniqueKeys) if it is not None]


def identity(it):
    metadata = it["metadata"]
    return f"{it['apiVersion']} {it['kind']} {metadata.get('namespace', '-')}/{metadata['name']}"


def ordered(value):
    """The same value for the same meaning: lists of named things are in the order of their names."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        items = [ordered(item) for item in value]
        is_named = all(isinstance(item, dict) and "name" in item for item in items)
        return sorted(items, key=lambda item: item["name"]) if is_named else items
    return value


def differences(left, right, path=""):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from differences(left.get(key), right.get(key), f"{path}/{key}")
    elif left != right:
        yield f"{path}: {json.dumps(left)} in Kustomize, {json.dumps(right)} in the chart"


def setting(values):
    return [word for value in values for word in ("--set", value)]


class Renderer:
    def __init__(self, tools, deploy):
        self.kubectl = tools / "kubectl"
        self.helm = tools / "helm"
        self.deploy = deploy
        self.rendered = 0

    def kustomize(self, folder):
        self.rendered += 1
        return objects(run(self.kubectl, "kustomize", folder))

    def kustomization(self, content, files=()):
        """What a kustomization elsewhere renders: its resources and components are below container/deploy."""
        with tempfile.TemporaryDirectory() as folder:
            for file in files:
                shutil.copy(file, folder)
            for key in ("resources", "components"):
                paths = [it if it in content.get("local", []) else os.path.relpath(self.deploy / it, folder)
                         for it in content.get(key, [])]
                content = {**content, key: paths}
            content.pop("local", None)
            Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(content))
            return self.kustomize(folder)

    def chart(self, *arguments):
        self.rendered += 1
        release = ["template", "mesh-intercept", self.deploy / "chart", "--namespace", NAMESPACE]
        return objects(run(self.helm, *release, *arguments))
