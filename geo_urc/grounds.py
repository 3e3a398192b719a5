"""What facts and verdicts are made from: layers, fields, parameters, other facts and rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from geo_urc.evaluation import active_leaves
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.roles import roles


@dataclass
class Grounds:
    """Names, each once, in the order in which they are come upon.

    Attributes
    ----------
    layers
        Roles of the layers that are looked at.
    fields
        The subject's own fields.
    parameters
        Full names; of other rules too, where a fact names them or hangs on a verdict.
    facts
        Facts of the catalogue.
    rules
        Rules, by id and subject.
    """

    layers: dict[str, None] = field(default_factory=dict)
    fields: dict[str, None] = field(default_factory=dict)
    parameters: dict[str, None] = field(default_factory=dict)
    facts: dict[str, None] = field(default_factory=dict)
    rules: dict[tuple[str, str | None], None] = field(default_factory=dict)


def grounds_of_rule(book: Rulebook, rule: model.Rule) -> Grounds:
    """Return what the verdict of a rule is made from, in the reading that is chosen."""
    found = Grounds()
    _follow_rule(book, rule, found)
    return found


def grounds_of_fact(book: Rulebook, subject: str, name: str) -> Grounds:
    """Return what a fact or a field of a subject is made from."""
    found = Grounds()
    _follow_name(book, subject, name, found)
    return found


def facts_with(book: Rulebook, subject: str, parameter: str) -> frozenset[str]:
    """Return the facts of a subject that another value of a parameter may change."""
    return frozenset(
        name for name in book.facts if parameter in grounds_of_fact(book, subject, name).parameters
    )


def definition(book: Rulebook, rule: model.Rule) -> str:
    """Return a short hash of a rule and all it hangs on, but for values of parameters."""
    found = grounds_of_rule(book, rule)
    digest = hashlib.sha256()
    for key in sorted((k, s or "") for k, s in found.rules):
        content = book.known[key].model_dump(mode="json", by_alias=True)
        for parameter in content["parameters"].values():
            parameter["value"] = parameter["values"] = None
        digest.update(repr(content).encode())
    for name in sorted(found.facts):
        digest.update(f"{name}{book.facts[name].model_dump(mode='json')!r}".encode())
    return digest.hexdigest()[:12]


def _follow_rule(book: Rulebook, rule: model.Rule, found: Grounds) -> None:
    if (rule.id, rule.subject) in found.rules:
        return
    found.rules[rule.id, rule.subject] = None
    subject = rule.role
    for name in _choices(book, rule):
        found.parameters[name] = None
    for leaf in active_leaves(book, rule):
        _follow_name(book, subject, model.fact_of(leaf), found)
        match leaf:
            case model.Compare() if leaf.limit_fact:
                _follow_name(book, subject, leaf.limit_fact, found)
            case model.Compare():
                found.parameters[f"{rule.id}.{leaf.limit}"] = None
            case model.OneOf():
                found.parameters[f"{rule.id}.{leaf.one_of}"] = None
            case model.Each():
                found.layers[leaf.each] = None
                _follow_rule(book, book.known[rule.id, leaf.each], found)
    for node in [*model.presupposed(rule.applies), *model.presupposed(rule.test)]:
        _follow_rule(book, book.known[node.rule, rule.subject], found)


def _follow_price(book: Rulebook, rule: model.Rule, found: Grounds) -> None:
    """Follow what an amount is made from, besides the verdict."""
    price = rule.price
    for name in (price.base, price.factor) if price is not None else ():
        if isinstance(name, str):
            _follow_name(book, rule.subject or "", name, found)
    if price is not None and price.upon is not None:
        upon = book.known[price.upon, rule.subject]
        _follow_rule(book, upon, found)
        _follow_price(book, upon, found)


def _choices(book: Rulebook, rule: model.Rule) -> Iterator[str]:
    """Yield the parameters that choose a reading, but for those inside readings not chosen."""

    def walk(node: model.Node | None) -> Iterator[str]:
        match node:
            case model.Choose():
                name = f"{rule.id}.{node.choose}"
                yield name
                yield from walk(node.cases[book.values[name]])
            case model.AllOf():
                for member in [*node.all, *node.unless]:
                    yield from walk(member)
            case model.AnyOf():
                for member in node.any:
                    yield from walk(member)

    for root in (rule.applies, rule.test, rule.concerns):
        yield from walk(root)


def _follow_name(book: Rulebook, subject: str, name: str, found: Grounds) -> None:
    """Follow a name as a formula knows it: a parameter, a fact, else a field."""
    if name in book.values:
        found.parameters[name] = None
    elif name in book.facts:
        if name not in found.facts:
            found.facts[name] = None
            _follow_arguments(book, subject, book.facts[name], found)
    elif subject in roles() and name in roles()[subject].fields:
        found.fields[name] = None


def _follow_arguments(book: Rulebook, subject: str, fact: model.Fact, found: Grounds) -> None:
    for key, value in fact.arguments.items():
        if key == "part":  # the name of a column of the answer
            continue
        for text in _texts(value):
            if key == "rule":
                whose = fact.arguments.get("layer", subject)  # of the subject, or of what holds it
                other = book.known.get((text, whose))
                if other is not None:
                    _follow_rule(book, other, found)
                    if fact.question == "amount":
                        _follow_price(book, other, found)
            elif text in roles():
                found.layers[text] = None
            else:
                _follow_name(book, subject, text, found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
