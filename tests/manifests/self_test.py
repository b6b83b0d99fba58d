"""Breaks copies of container/deploy: each breakage has to be found, or the check is worth nothing."""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import policy_mutations
from check import OLD_VERSIONS, Check
from rendering import DEPLOY

# A file, what is put in place of what in it, the step that has to find that, and words of its complaint.
BREAKAGES = [
    ("cni/daemonset.yaml", "hostNetwork: true", "hostNetworking: true", ["base"], "properties are not allowed"),
    ("cni/daemonset.yaml", "containerPort: 8000", "containerPort: eight", ["base"], "is not of type 'integer'"),
    ("cni/clusterrole.yaml", "k8s.io/v1", "k8s.io/v9", ["base"], "knows no such kind"),
    ("cni/components/delete/kustomization.yaml", "value: host-proc", "value: proc", ["component", "delete"],
     "not rendered"),
    ("overlays/k3s/kustomization.yaml", "/k3s/data/cni", "/k3s/cni", ["overlay", "k3s"], "/k3s/cni.* in Kustomize"),
    ("chart/templates/clusterrole.yaml", "verbs: [list,", "verbs: [get, list,", ["base"], '"get", .* in the chart'),
    ("chart/templates/daemonset.yaml", "  hostNetwork: true", "  hostNetwork: true\n      hostNetwork: true", ["base"],
     "not rendered.*(already|twice)"),
    ("chart/values.schema.json", '"additionalProperties": false', '"additionalProperties": true', ["bad_values"],
     "takes .*nosuch"),
    ("init/istiod-values.yaml", "registry.example/mesh-intercept:0.1.0", "mesh-intercept", ["image_value"], "slash"),
    ("init/istiod-template-values.yaml", "[NET_ADMIN]", "[NET_ADMIN, NET_RAW]", ["template"], "NET_RAW"),
    ("policy/policy.yaml", 'runAsUser.orValue(variables.podUser) in', 'runAsUser.orValue(-1) in', ["policy"],
     "proxy's user, of the pod"),
    ("policy/policy.yaml", "set runAsUser to", "set runAsUsers to", ["policy"], "set runAsUsers to"),
    ("policy/policy.yaml", "failurePolicy", "failPolicy", ["policy"], "failPolicy"),
    ("policy/components/warn/kustomization.yaml", "[Warn, Audit]", "[Deny]", ["policy"], "actions"),
    ("init/kustomization.yaml", "Deployment|StatefulSet", "Deployment", ["workloads"], "StatefulSet"),
]


def self_test(tools):
    """Each breakage of a copy has to be found."""
    missed = []
    for file, old, new, (step, *arguments), complaint in BREAKAGES:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "deploy")
            shutil.copytree(DEPLOY, copy)
            text = (copy / file).read_text()
            if old not in text:
                missed.append(f"{file} has no {old!r} to break")
                continue
            (copy / file).write_text(text.replace(old, new))
            check = Check(tools, copy)
            check.step(getattr(check, step), *arguments)
            if not any(re.search(complaint, problem, re.DOTALL) for problem in check.problems):
                missed.append(f"{file} with {new!r}: no complaint of {complaint!r} in {check.problems}")
    old = Check(tools, DEPLOY)
    old.validate("cni", old.kustomize(DEPLOY / "cni"), OLD_VERSIONS[-1:])
    if not any("appArmorProfile" in problem for problem in old.problems):
        missed.append(f"Kubernetes {OLD_VERSIONS[-1]} takes a field that came after it: {old.problems}")
    return missed


def weakened_policies(tools):
    """Each weakening of the admission policy has to be told by its pods: their number, and those that are not."""
    return policy_mutations.unnoticed(Check(tools, DEPLOY).policy_with("explicit-ids"), explicit=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    problems = self_test(folder)
    print(f"{len(BREAKAGES) + 1} breakages of it were looked for, {len(problems)} were missed")
    count, unnoticed = weakened_policies(folder)
    print(f"{count} weakened policies were shown the pods, {len(unnoticed)} were not told")
    problems += [f"policy, weakened and not told: {what}" for what in unnoticed]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
