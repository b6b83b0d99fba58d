"""Renders what container/deploy holds, and finds what is wrong with it: scripts/check-manifests says how it is run."""

import argparse
import json
import re
import shlex
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import policy
import yaml
from rendering import DEPLOY, HERE, TOP, Failed, Renderer, differences, identity, objects, ordered, run, setting

# The first with a field for AppArmor, the newest that the schemas know, and some between.
VERSIONS = ["1.30", "1.32", "1.34", "1.37"]
# Those that the component apparmor-annotation is for.
OLD_VERSIONS = ["1.25", "1.29"]
# Kinds of others, which Kubernetes has no schemas of.
WITHOUT_SCHEMA = {
    ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"),
    ("security.openshift.io/v1", "SecurityContextConstraints"),
}
# What the chart has to be told for the same objects as with each component.
COMPONENTS = {
    "delete": ["repair.mode=delete"],
    "label": ["repair.mode=label"],
    "no-repair": ["repair.mode=none"],
    "uninstall": ["uninstall=true"],
    "selinux": ["seLinuxOptions.type=spc_t"],
    "apparmor-annotation": ["appArmor=annotation"],
    "network-policy": ["networkPolicy.enabled=true"],
}
# Components of the admission policy, and whether applications have to name their ids with it.
POLICY_COMPONENTS = {"warn": False, "explicit-ids": True}
# What the chart has to refuse.
BAD_VALUES = [
    ["nosuch=1"],
    ["image.nosuch=1"],
    ["repair.mode=Repair"],
    ["repair.mode=none", "reconcileInterval=60s"],
    ["cniBinDir=opt/cni/bin"],
    ["reconcileInterval=soon"],
    ["extraCapabilities={SYS_MODULE}"],
    ["chained=maybe"],
    ["env.log-level=debug"],
    ["env.HEALTH_PORT='9000'"],
    ["ports.health=0"],
    ["ports.metrics=metrics"],
]


class Check(Renderer):
    def __init__(self, tools, deploy):
        super().__init__(tools, deploy)
        self.problems = []
        self.seen = set()
        self.counts = {"validated": 0, "compared": 0, "refused": 0, "judged": 0}

    def problem(self, where, text):
        self.problems.append(f"{where}: {text}")

    def validate(self, where, rendered, versions):
        for it in rendered:
            kind = (it["apiVersion"], it["kind"])
            if kind in WITHOUT_SCHEMA:
                continue
            for version in versions:
                key = (version, json.dumps(it, sort_keys=True))
                if key in self.seen:
                    continue
                self.seen.add(key)
                self.counts["validated"] += 1
                try:
                    kubernetes_validate.validate(it, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = "/".join(str(part) for part in error.path)
                    self.problem(where, f"{identity(it)} in Kubernetes {version}: {path}: {error.message}")
                except kubernetes_validate.SchemaNotFoundError:
                    self.problem(where, f"{identity(it)}: Kubernetes {version} knows no such kind")

    def compare(self, where, kustomized, charted):
        """The namespace is not the chart's: Helm needs it before the chart."""
        self.counts["compared"] += 1
        left = {identity(it): ordered(it) for it in kustomized if it["kind"] != "Namespace"}
        right = {identity(it): ordered(it) for it in charted}
        for name in sorted(left.keys() ^ right.keys()):
            self.problem(where, f"{name} is only in {'Kustomize' if name in left else 'the chart'}")
        for name in sorted(left.keys() & right.keys()):
            for difference in differences(left[name], right[name]):
                self.problem(where, f"{name}{difference}")

    def named(self, where, folder, known):
        found = {path.stem for path in (self.deploy / folder).iterdir()}
        if found != set(known):
            self.problem(where, f"{sorted(found ^ set(known))}: in {folder} or beside it, not in both")

    def base(self):
        rendered = self.kustomize(self.deploy / "cni")
        if len(rendered) != 5:
            self.problem("cni", f"5 objects are expected, not {len(rendered)}")
        self.validate("cni", rendered, VERSIONS)
        self.compare("cni", rendered, self.chart())

    def overlay(self, name):
        where = f"overlays/{name}"
        rendered = self.kustomize(self.deploy / where)
        self.validate(where, rendered, VERSIONS)
        self.compare(where, rendered, self.chart("--values", self.deploy / f"chart/platforms/{name}.yaml"))

    def overlays(self):
        names = [path.name for path in sorted((self.deploy / "overlays").iterdir())]
        self.named("chart", "chart/platforms", names)
        for name in names:
            self.overlay(name)

    def component(self, name):
        where = f"components/{name}"
        rendered = self.kustomization({"resources": ["cni"], "components": [f"cni/{where}"]})
        self.validate(where, rendered, OLD_VERSIONS if name == "apparmor-annotation" else VERSIONS)
        self.compare(where, rendered, self.chart(*setting(COMPONENTS[name])))

    def components(self):
        self.named("cni", "cni/components", COMPONENTS)
        for name in COMPONENTS:
            self.component(name)

    def values(self):
        try:
            run(self.helm, "lint", "--strict", "--quiet", self.deploy / "chart")
        except Failed as error:
            self.problem("chart", str(error))
        defaults = yaml.safe_load((self.deploy / "chart/values.yaml").read_text())
        every = HERE / "every-value.yaml"
        unset = set(defaults) ^ set(yaml.safe_load(every.read_text()))
        if unset:
            self.problem("every-value.yaml", f"has not the chart's values: {sorted(unset)}")
        self.validate("every-value.yaml", self.chart("--values", every), VERSIONS)

    def bad_values(self):
        for values in BAD_VALUES:
            self.counts["refused"] += 1
            try:
                self.chart(*setting(values))
            except Failed as error:
                if "specifications of the schema" not in str(error):
                    self.problem("chart", f"{values} fails, but not by the schema: {error}")
            else:
                self.problem("chart", f"takes {values}")

    def image_value(self):
        values = yaml.safe_load((self.deploy / "init/istiod-values.yaml").read_text())
        if "/" not in values["global"]["proxy_init"]["image"]:
            self.problem("init/istiod-values.yaml", "istio takes only an image with a slash as it is")

    def workloads(self):
        content = {"resources": ["workloads.yaml"], "components": ["init"], "local": ["workloads.yaml"]}
        rendered = self.kustomization(content, [HERE / "workloads.yaml"])
        self.validate("init", rendered, VERSIONS)
        for it in rendered:
            spec = it["spec"].get("jobTemplate", it)["spec"]
            annotations = spec.get("template", {}).get("metadata", {}).get("annotations", {})
            asks = annotations.get("inject.istio.io/templates") == "sidecar,mesh-intercept"
            if asks != (it["kind"] != "Service"):
                self.problem("init", f"{identity(it)} has the annotations {annotations}")

    def template(self):
        """The injection template, rendered by Helm with the mode in place of istio's function, and laid over a pod."""
        where = "init/istiod-template-values.yaml"
        values = yaml.safe_load((self.deploy / where).read_text())
        source = values["sidecarInjectorWebhook"]["templates"]["mesh-intercept"]
        source, count = re.subn(r"\(annotation [^)]*\)", ".Values.mode", source)
        if count != 1:
            self.problem(where, f"asks {count} times for the pod's mode")
        injected = objects((HERE / "injected-pod.yaml").read_text())[0]
        for mode in ("REDIRECT", "TPROXY", "NONE"):
            merged = self.laid_over(source, mode)
            self.validate(where, [merged], VERSIONS)
            expected = json.loads(json.dumps(injected))
            if mode != "NONE":
                container = expected["spec"]["initContainers"][1]
                container["image"] = "registry.example/mesh-intercept:0.1.0"
                container["securityContext"] |= {
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                }
            if ordered(merged) != ordered(expected):
                self.problem(where, f"a pod with mode {mode} becomes {json.dumps(merged['spec'])}")

    def laid_over(self, source, mode):
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder, "chart")
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("{apiVersion: v2, name: template, version: 0.1.0}")
            pod = "apiVersion: v1\nkind: Pod\n" + source
            (chart / "templates/pod.yaml").write_text(pod.replace("metadata: {}", "metadata: {name: web}"))
            patch = run(self.helm, "template", "template", chart, "--set", f"mode={mode}")
            content = {
                "resources": ["injected-pod.yaml"], "local": ["injected-pod.yaml"], "patches": [{"patch": patch}],
            }
            return self.kustomization(content, [HERE / "injected-pod.yaml"])[0]

    def policy(self):
        """The admission policy, and what it says about a table of pods."""
        self.named("policy", "policy/components", POLICY_COMPONENTS)
        rendered = self.kustomize(self.deploy / "policy")
        self.admission("policy", rendered)
        for name, explicit in POLICY_COMPONENTS.items():
            self.admission(f"policy/components/{name}", self.policy_with(name), explicit)

    def policy_with(self, component):
        return self.kustomization({"resources": ["policy"], "components": [f"policy/components/{component}"]})

    def admission(self, where, rendered, explicit=False):
        self.validate(where, rendered, VERSIONS)
        actions = policy.Policy(rendered).binding["validationActions"]
        if (actions == ["Deny"]) == where.endswith("/warn"):
            self.problem(where, f"has the actions {actions}")
        _, cases = policy.cases()
        self.counts["judged"] += len(cases)
        for text in policy.problems(policy.Policy(rendered), explicit):
            self.problem(where, text)

    def documented(self):
        """The commands of the documents about these files, as far as they need no cluster."""
        for document in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]:
            text = document.read_text()
            for folder in re.findall(r"kubectl (?:apply|delete) -k (\S+)", text):
                self.validate(document.name, self.kustomize(TOP / folder), VERSIONS)
            ours = r"^ +helm (?:install|upgrade) mesh-intercept container/deploy/chart (.*)$"
            for arguments in re.findall(ours, text, re.M):
                words = [word for word in shlex.split(arguments) if word != "--reuse-values"]
                self.validate(document.name, self.chart(*words), VERSIONS)
            for file in re.findall(r" -f (container/\S+)", text):
                if not (TOP / file).is_file():
                    self.problem(document.name, f"there is no {file}")
            for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
                if "kind: Kustomization" in block:
                    content = yaml.safe_load(block.replace("mesh-intercept/container/deploy/", ""))
                    self.validate(document.name, self.kustomization(content), VERSIONS)

    def all(self):
        for step in (self.base, self.overlays, self.components, self.values, self.bad_values, self.image_value,
                     self.workloads, self.template, self.policy, self.documented):
            self.step(step)

    def step(self, step, *arguments):
        try:
            step(*arguments)
        except (Failed, yaml.YAMLError) as error:
            self.problem("not rendered", error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", type=Path, help="the folder with helm and kubectl")
    tools = parser.parse_args().tools.resolve()
    check = Check(tools, DEPLOY)
    check.all()
    problems = check.problems
    if not problems:
        counts = {"rendered": check.rendered, **check.counts}
        print("container/deploy: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
