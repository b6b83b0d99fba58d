"""Weakens the admission policy in every place: the table of pods has to tell each weakened one from the true one."""

import copy
import re

from policy import Policy, problems

# What stands in an expression, and what is put there instead.
SWAPS = [
    (r"&&", "||"), (r"\|\|", "&&"), (r"==", "!="), (r"!=", "=="), (r" > ", " >= "), (r" > 0\)", " > -2)"),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"), (r"orValue\(-1\)", "orValue(1337)"), (r'"[^" ]+"', '"other"'), (r'!(?=[\w("])', ""),
    (r"\[1337\]", "[]"), (r"variables\.\w+(?=\.(size|filter|map)| \+|\)| in)", "[]"),
    (r"variables\.(users|groups|proxyUsers|proxyGroups)\b", "[1]"),
]


def changed_expressions(text):
    yield "true"
    for pattern, new in SWAPS:
        for match in re.finditer(pattern, text):
            yield text[:match.start()] + new + text[match.end():]


def weakened(rendered):
    """Each changed policy with a name for what was done to it."""
    place = next(place for place, it in enumerate(rendered) if it["kind"] == "ValidatingAdmissionPolicy")
    binding = next(place for place, it in enumerate(rendered) if it["kind"] == "ValidatingAdmissionPolicyBinding")

    def change(what, place, *path, to=None):
        objects = copy.deepcopy(rendered)
        *path, last = path
        parent = objects[place]["spec"]
        for key in path:
            parent = parent[key]
        if to is None:
            del parent[last]
        else:
            parent[last] = to
        return what, objects

    spec = rendered[place]["spec"]
    for part in ("matchConditions", "variables", "validations"):
        for number, it in enumerate(spec[part]):
            name = f"{part}[{it.get('name', number)}]"
            if part != "variables":
                yield change(f"{name} removed", place, part, number)
            for text in changed_expressions(it["expression"]):
                if text != it["expression"]:
                    yield change(f"{name}: {text}", place, part, number, "expression", to=text)
    rules = ("matchConstraints", "resourceRules")
    for number, rule in enumerate(spec["matchConstraints"]["resourceRules"]):
        yield change(f"{rule['resources']} removed", place, *rules, number)
    yield change("updates of pods as well", place, *rules, 0, "operations", to=["CREATE", "UPDATE"])
    selector = ("matchResources", "namespaceSelector", "matchExpressions", 0)
    yield change("namespaces removed", binding, *selector)
    yield change("namespaces turned round", binding, *selector, "operator", to="In")


def unnoticed(rendered, explicit):
    """How many there were, and those that the table does not tell."""
    count, missed = 0, []
    for what, objects in weakened(rendered):
        count += 1
        if next(problems(Policy(objects), explicit), None) is None:
            missed.append(what)
    return count, missed
