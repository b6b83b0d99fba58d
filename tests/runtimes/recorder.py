#!/usr/bin/python3
"""Stands where the runtime looks for the plugin, calls it, and writes down both sides.

recorder.json next to it names the program, and the pods' namespace: podman says only the pod's name (the container's),
which is no pod to Kubernetes, so the namespace and the UID are added. A runtime that says them is left alone.
"""
import json
import os
import subprocess
import sys

folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "recorder.json")) as file:
    settings = json.load(file)
told = {name: value for name, value in os.environ.items() if name.startswith("CNI_")}
pairs = dict(pair.split("=", 1) for pair in told.get("CNI_ARGS", "").split(";") if pair)
name = pairs.get("K8S_POD_NAME")
if name and "K8S_POD_NAMESPACE" not in pairs:
    pairs.update(K8S_POD_NAMESPACE=settings["namespace"], K8S_POD_UID="uid-of-" + name)
    told["CNI_ARGS"] = ";".join("%s=%s" % pair for pair in pairs.items())
question = sys.stdin.buffer.read()
call = subprocess.run(
    ["mesh-intercept-cni"],
    executable=settings["program"],
    env={**os.environ, **told},
    input=question,
    capture_output=True,
)
line = {
    "environment": told,
    "input": question.decode(),
    "code": call.returncode,
    "output": call.stdout.decode(),
    "log": call.stderr.decode(),
}
with open(os.path.join(folder, "calls"), "a") as file:
    file.write(json.dumps(line) + "\n")
sys.stdout.buffer.write(call.stdout)
sys.stderr.buffer.write(call.stderr)
sys.exit(call.returncode)
