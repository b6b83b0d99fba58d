"""What the admission policy of container/deploy/policy says about pods, by CEL's own implementation in C++.

Plays the part of the API server around the expressions: which requests a policy and its binding are about, variables,
and what an expression sees.
"""

import copy
import functools

import yaml
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings
from rendering import HERE

NAMES = ("object", "oldObject", "request", "namespaceObject", "variables")
CREATION = {"resources": "pods", "operation": "CREATE"}
DEBUGGING = {"resources": "pods/ephemeralcontainers", "operation": "UPDATE"}
UPDATE = {"resources": "pods", "operation": "UPDATE"}

# The containers of istio's injector, as far as a policy can be about them.
PROXY = {"name": "istio-proxy", "args": ["proxy", "sidecar"], "securityContext": {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 1337, "runAsGroup": 1337}}
INIT = {"name": "istio-init", "args": ["istio-iptables"], "securityContext": {
    "allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
    "runAsUser": 0, "runAsGroup": 0}}
VALIDATION = {"name": "istio-validation", "args": ["istio-iptables"], "securityContext": {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 1337, "runAsGroup": 1337}}


class Policy:
    """A policy and its binding, out of rendered objects."""

    def __init__(self, rendered):
        kinds = {it["kind"]: it["spec"] for it in rendered}
        self.spec = kinds["ValidatingAdmissionPolicy"]
        self.binding = kinds["ValidatingAdmissionPolicyBinding"]
        extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional()]
        self.environment = cel.NewEnv(variables={name: cel.Type.DYN for name in NAMES}, extensions=extensions)
        self.compiled = {}

    def evaluate(self, expression, data):
        if expression not in self.compiled:
            self.compiled[expression] = self.environment.compile(expression)
        value = self.compiled[expression].eval(data=data)
        if value.type() == cel.Type.ERROR:
            raise ValueError(f"{expression}: {value.value()}")
        return value.plain_value()

    def is_about(self, request, labels):
        resources = any(
            request["resources"] in rule["resources"] and request["operation"] in rule["operations"]
            for rule in self.spec["matchConstraints"]["resourceRules"])
        return resources and selects(self.binding["matchResources"]["namespaceSelector"], labels)

    def refusals(self, request, namespace, labels, pod, old=None):
        """The messages, in the order of the validations."""
        labels = {**labels, "kubernetes.io/metadata.name": namespace}
        if not self.is_about(request, labels):
            return []
        asked = {"operation": request["operation"], "namespace": namespace}
        if "/" in request["resources"]:
            asked["subResource"] = request["resources"].split("/")[1]
        data = {"object": pod, "oldObject": old, "request": asked,
                "namespaceObject": {"metadata": {"name": namespace, "labels": labels}}, "variables": {}}
        if not all(self.evaluate(it["expression"], data) for it in self.spec.get("matchConditions", [])):
            return []
        for variable in self.spec["variables"]:
            data["variables"][variable["name"]] = self.evaluate(variable["expression"], data)
        return [self.evaluate(it["messageExpression"], data) for it in self.spec["validations"]
                if not self.evaluate(it["expression"], data)]


def selects(selector, labels):
    """Label selectors, as far as they are used."""
    if set(selector) != {"matchExpressions"}:
        raise ValueError(f"{selector} is not understood")
    operators = {"In": lambda value, values: value in values, "NotIn": lambda value, values: value not in values}
    return all(operators[it["operator"]](labels.get(it["key"]), it["values"]) for it in selector["matchExpressions"])


def with_images(containers):
    return [{"image": "registry.example/web:1", **it} for it in containers]


def pod_of(case):
    """The pod of a case, as it is after the injector."""
    sidecar = case.get("sidecar", "init")
    proxy = copy.deepcopy(PROXY)
    context = proxy["securityContext"] | case.get("sidecarContext", {})
    proxy["securityContext"] = {key: value for key, value in context.items() if value is not None}
    first = [] if sidecar == "none" else [VALIDATION if sidecar == "cni" else INIT]
    if sidecar == "native":
        first.append({**proxy, "restartPolicy": "Always"})
    beside = [proxy] if sidecar in ("init", "cni") else []
    metadata = {"name": "web", **{key: case[key] for key in ("labels", "annotations") if key in case}}
    spec = {"containers": with_images(beside + case["containers"])}
    init = with_images(first + case.get("initContainers", []))
    if init:
        spec["initContainers"] = init
    if "pod" in case:
        spec["securityContext"] = case["pod"]
    if case.get("hostNetwork"):
        spec["hostNetwork"] = True
    if "oldEphemeral" in case:
        spec["ephemeralContainers"] = with_images(case["oldEphemeral"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def debugged(pod, case):
    """The same with the containers that are added."""
    changed = copy.deepcopy(pod)
    added = with_images(case["ephemeral"])
    changed["spec"]["ephemeralContainers"] = pod["spec"].get("ephemeralContainers", []) + added
    return changed


@functools.cache
def cases():
    document = yaml.safe_load((HERE / "policy-cases.yaml").read_text())
    return document["namespaces"], document["cases"]


def requests(case):
    """What is asked about the pod of a case, and whether it can be refused."""
    pod = pod_of(case)
    if "ephemeral" in case:
        return [(DEBUGGING, debugged(pod, case), pod, True)]
    return [(CREATION, pod, None, True), (UPDATE, pod, pod, False)]


def problems(policy, explicit=False):
    """What the policy says otherwise than the table, one by one."""
    namespaces, table = cases()
    for case in table:
        name = case.get("namespace", "injected")
        expected = case.get("refused", [])
        if explicit:
            expected = case.get("explicit", expected)
        for request, new, old, can_be_refused in requests(case):
            try:
                said = policy.refusals(request, name, namespaces[name], new, old)
            except (ValueError, RuntimeError) as error:
                said = [f"not evaluated: {error}"]
            if said != (expected if can_be_refused else []):
                yield f"{case['name']}, {request['operation']}: {said} instead of {expected}"
