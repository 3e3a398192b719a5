"""Rules in words: titles, limits, citations, as results and listings show them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from geo_urc.evaluation import active_leaves, chosen
from geo_urc.facts.questions import SEARCH_M
from geo_urc.facts.questions.volumes import NEIGHBOUR_M
from geo_urc.grounds import definition, grounds_of_fact, grounds_of_rule
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.results import UNITS, CatalogueEntry, Conditions, FactLine, RuleInfo, negated
from geo_urc.roles import roles
from geo_urc.text import Text

POLICY_CLASSES: dict[str, Text] = {
    "全面实施": Text("全面实施", "in force"),
    "试点推进": Text("试点推进", "pilot"),
    "探索研究": Text("探索研究", "exploratory"),
}

EMPTY: dict[str, Text] = {
    "depth": Text(f"相距 {SEARCH_M:g} 米以上", f"over {SEARCH_M:g} m away"),
    "clearance": Text("附近没有", "none near"),
    "reached": Text("没有", "none"),
    "separation": Text(f"{NEIGHBOUR_M:g} 米内没有", f"none within {NEIGHBOUR_M:g} m"),
    "adjoining": Text("没有", "none"),
    "part": Text("没有", "none"),
    "walking_distance": Text("路网不通", "no way by the roads"),
}
"""Question → what an empty answer says where nothing is missing."""

YES_NO = {True: Text("是", "yes"), False: Text("否", "no")}


def citation(book: Rulebook, rule: model.Rule) -> Text:
    """Return document, number, heading and department of the measure behind a rule."""
    measure = book.measure_of(rule)
    document = book.documents[measure.document]
    by_zh = f"；牵头：{measure.department}" if measure.department else ""
    by_en = f"; lead: {measure.department}" if measure.department else ""
    place = f"{measure.heading}{measure.clause or ''}"
    if measure.number.isdecimal():
        return Text(
            f"《{document.title_zh}》第 {measure.number} 项（{place}）{by_zh}",
            f"{document.title_en}, measure {measure.number} ({place}){by_en}",
        )
    return Text(
        f"《{document.title_zh}》{measure.number}（{measure.heading}）{by_zh}",
        f"{document.title_en}, clause {measure.number} ({measure.heading}){by_en}",
    )


def fact_title(book: Rulebook, subject: str, name: str) -> Text:
    """Return the label of a fact or of a field of the subject."""
    if name in book.facts:
        return book.facts[name].title
    return roles()[subject].fields[name].title


def fact_unit(book: Rulebook, subject: str, name: str) -> str | None:
    """Return the unit code of a fact or of a field of the subject."""
    if name in book.facts:
        return book.facts[name].unit
    known = roles()[subject].fields[name]
    return "yes_no" if known.type == "yes_no" else known.unit


def fact_words(book: Rulebook, subject: str, name: str) -> Mapping[str, str]:
    """Return the vocabulary of a fact or of a field of the subject: code → Chinese label."""
    spec = book.facts.get(name)
    return roles()[subject].fields[name].words if spec is None else spec.words


def is_text(book: Rulebook, subject: str, name: str) -> bool:
    """Return whether the values of a fact are text."""
    spec = book.facts.get(name)
    if spec is None:
        return roles()[subject].fields[name].type == "text"
    return spec.unit is None


def figure(value: float, unit: str | None) -> Text:
    """Return a number with its unit, a share as per cent.

    Examples
    --------
    >>> figure(0.3, "share").zh, figure(800.0, "m").en
    ('30%', '800 m')
    """
    if unit == "share":
        share = f"{value * 100:.10g}%"
        return Text(share, share)
    sign = UNITS.get(unit or "", Text("", ""))
    number = f"{value:.10g}"
    gap = "" if unit == "percent" else " "
    return Text(f"{number}{gap}{sign.zh}".strip(), f"{number}{gap}{sign.en}".strip())


def limit(book: Rulebook, rule: model.Rule, leaf: model.Leaf) -> Text | None:
    """Return what a condition asks for, in words; None for one that only asks to be known."""
    match leaf:
        case model.Compare() if leaf.limit_fact:
            title = fact_title(book, rule.role, leaf.limit_fact)
            sign = "≥" if leaf.side == "at_least" else "≤"
            return Text(f"{sign} {title.zh}", f"{sign} {title.en}")
        case model.Compare():
            parameter = rule.parameters[leaf.limit or ""]
            value = book.values[f"{rule.id}.{leaf.limit}"]
            sign = "≥" if leaf.side == "at_least" else "≤"
            if parameter.bound == "exclusive":
                sign = ">" if leaf.side == "at_least" else "<"
            if value is None:
                return Text(f"{sign} （须提供）", f"{sign} (to be supplied)")
            shown = figure(value, parameter.unit)
            return Text(f"{sign} {shown.zh}", f"{sign} {shown.en}")
        case model.Is():
            return YES_NO[leaf.is_]
        case model.OneOf():
            words = book.listed(f"{rule.id}.{leaf.one_of}", rule.role, leaf.fact)
            if words is None:
                return Text("（名录须提供）", "(a list to be supplied)")
            known = fact_words(book, rule.role, leaf.fact)
            return Text("、".join(known.get(w, w) for w in words), ", ".join(words))
        case model.Inside():
            return Text("全部位于范围内", "wholly inside")
        case model.Each():
            return Text("各项目均满足自身条件", "each project meets its own conditions")
        case _:
            return None


def asked(book: Rulebook, rule: model.Rule, leaf: model.Leaf) -> Text | None:
    """Return what a condition asks for; of an exception, what must not be so."""
    words = limit(book, rule, leaf)
    return negated(words) if words and _is_exception(book, rule, leaf) else words


def _is_exception(book: Rulebook, rule: model.Rule, leaf: model.Leaf) -> bool:
    """Return whether a condition stands under ``unless``, and not under two of them."""

    def found(node: model.Node | None, against: bool) -> bool:
        match node:
            case model.AllOf():
                return any(found(member, against) for member in node.all) or any(
                    found(member, not against) for member in node.unless
                )
            case model.AnyOf():
                return any(found(member, against) for member in node.any)
        return node is leaf and against

    return any(found(chosen(n, rule.id, book.values), False) for n in (rule.applies, rule.test))


def concern(book: Rulebook, rule: model.Rule) -> Text | None:
    """Return which sites a procedural rule concerns, in words; None where it is not matched.

    Examples
    --------
    >>> from geo_urc.policy import load_rulebook
    >>> book = load_rulebook()
    >>> concern(book, book.rules["T43", None])
    Text(zh='更新项目类型：危旧楼房改建', en='Type of renewal project: dilapidated_building')
    """
    if rule.concerns is None:
        return None
    return _in_words(book, rule, chosen(rule.concerns, rule.id, book.values))


def _in_words(book: Rulebook, rule: model.Rule, node: model.Node | None) -> Text:
    match node:
        case None | model.Always():
            return Text("各类更新项目", "every renewal site")
        case model.AllOf():
            parts = [_part(book, rule, member) for member in node.all]
            for member in node.unless:
                no = _in_words(book, rule, member)
                parts.append(Text(f"不属“{no.zh}”", f"not “{no.en}”"))
            return _joined(parts, Text("，且", " and "))
        case model.AnyOf():
            parts = [_part(book, rule, member) for member in node.any]
            return _joined(parts, Text("，或", " or "))
        case model.Inside():
            spec = book.facts[node.inside]
            area = book.facts[spec.feature].title if spec.feature else spec.title
            return Text(f"位于{area.zh}内", f"inside: {area.en}")
        case model.Choose():  # already replaced by the reading that was chosen
            raise AssertionError(node)
        case model.Meets():
            return Text(f"符合 {node.rule}", f"meets {node.rule}")
        case model.Is(is_=True, otherwise=None):
            return fact_title(book, rule.role, node.fact)
        case _:
            title, asked = fact_title(book, rule.role, model.fact_of(node)), limit(book, rule, node)
            if getattr(node, "otherwise", None):
                asked = asked and Text(f"{asked.zh}（其余待解释）", f"{asked.en} (others: open)")
            return Text(f"{title.zh}：{asked.zh}", f"{title.en}: {asked.en}") if asked else title


def _part(book: Rulebook, rule: model.Rule, node: model.Node) -> Text:
    words = _in_words(book, rule, node)
    if isinstance(node, model.AllOf | model.AnyOf):
        return Text(f"（{words.zh}）", f"({words.en})")
    return words


def _joined(parts: list[Text], word: Text) -> Text:
    return Text(word.zh.join(p.zh for p in parts), word.en.join(p.en for p in parts))


def catalogue_entry(
    book: Rulebook, rule: model.Rule, status: str, given: Collection[str]
) -> CatalogueEntry:
    """Return a rule as the catalogue of a run lists it.

    Parameters
    ----------
    status
        What this run did with it, a key of ``STATUSES``.
    given
        Roles of the layers that the run has.
    """
    measure = book.measure_of(rule)
    matched = rule.concerns is not None
    names = facts_of(book, rule) if matched else []
    return CatalogueEntry(
        id=rule.id,
        measure=measure.id,
        title=rule.title,
        explanation=Text(rule.explanation_zh, rule.explanation_en),
        citation=citation(book, rule),
        department=measure.department,
        policy_class=POLICY_CLASSES.get(measure.policy_class or ""),
        assess=rule.assess,
        subject=rule.subject,
        status=status,
        concerns=concern(book, rule),
        facts={name: fact_title(book, rule.role, name) for name in names},
        layers_missing=tuple(role for role in layers_of(book, rule) if role not in given)
        if matched
        else (),
    )


def layers_of(book: Rulebook, rule: model.Rule, *, fallback: bool = False) -> tuple[str, ...]:
    """Return the layer roles that a rule's verdict rests on, in order of first use.

    With ``fallback`` also those that one of several sources of a fact needs: without its layer
    another source may still answer.
    """
    found: dict[str, None] = {}

    def follow(name: str) -> None:
        spec = book.facts.get(name)
        if spec is None:
            return
        for key, value in spec.arguments.items():
            if key in model.LAYER_ARGUMENTS:
                found[value] = None
            elif key in ("of", "key") or (fallback and key == "ground"):
                follow(value)
        if spec.question == "formula" or (fallback and spec.question == "first_known"):
            for inner in model.names_in(spec.arguments):
                follow(inner)
        for case in spec.cases:
            for inner in case.names:
                follow(inner)

    for leaf in active_leaves(book, rule):
        follow(model.fact_of(leaf))
        if isinstance(leaf, model.Each):
            found[leaf.each] = None
            for other in layers_of(book, book.known[rule.id, leaf.each], fallback=fallback):
                found[other] = None
    for node in [*model.presupposed(rule.applies), *model.presupposed(rule.test)]:
        found |= dict.fromkeys(layers_of(book, book.known[node.rule, rule.subject]))
    return tuple(found)


def facts_of(book: Rulebook, rule: model.Rule) -> list[str]:
    """Return the facts of a rule that become columns: tested, their limits, and reported."""
    names: dict[str, None] = {}
    for leaf in active_leaves(book, rule):
        names[model.fact_of(leaf)] = None
        if isinstance(leaf, model.Compare) and leaf.limit_fact:
            names[leaf.limit_fact] = None
        spec = book.facts.get(model.fact_of(leaf))
        if spec is not None and spec.change and spec.change.of:
            names[spec.change.of] = None
    for name in rule.results:
        names[name] = None
    if rule.price is not None and rule.price.stated:
        names[model.amount_fact(rule.id)] = None
    for name in list(names):
        spec = book.facts.get(name)
        if spec is not None and spec.feature:
            names[spec.feature] = None
    return list(names)


def rule_info(
    book: Rulebook,
    rule: model.Rule,
    columns: Mapping[str, str],
    given: Collection[str],
) -> RuleInfo:
    """Return the rule as results describe it.

    Parameters
    ----------
    columns
        Fact → name of its column.
    given
        Roles of the layers that this run has.
    """
    subject = rule.role
    measure = book.measure_of(rule)
    leaves = [leaf for leaf in active_leaves(book, rule) if not isinstance(leaf, model.Each)]
    tested = {model.fact_of(leaf) for leaf in leaves}
    lines = list(dict.fromkeys(_fact_line(book, rule, leaf, columns) for leaf in leaves))
    lines += [
        _reported_line(book, subject, name, columns)
        for name in facts_of(book, rule)
        if name not in tested
    ]

    def conditions(node: model.Node | None) -> Conditions | None:
        if node is None:
            return None
        return _conditions(
            chosen(node, rule.id, book.values),
            lambda leaf: lines.index(_fact_line(book, rule, leaf, columns)),
        )

    headline = next(
        (x.column for x in lines if x.condition is not None and x.condition in rule.headlines),
        None,
    )
    needed = layers_of(book, rule)
    used = layers_of(book, rule, fallback=True)
    layers = tuple(role for role in used if role in needed or role in given)
    prefix = f"{rule.id}."
    explanation = Text(
        rule.explanation_zh + (f"前提：{rule.presumes_zh}" if rule.presumes_zh else ""),
        rule.explanation_en + (f" Presumed: {rule.presumes_en}" if rule.presumes_en else ""),
    )
    return RuleInfo(
        id=rule.id,
        measure=measure.id,
        title=rule.title,
        explanation=explanation,
        citation=citation(book, rule),
        policy_class=POLICY_CLASSES.get(measure.policy_class or ""),
        assess=rule.assess,
        parameters=parameters_of(book, rule),
        changed_parameters=tuple(
            f"{prefix}{key}" for key in rule.parameters if f"{prefix}{key}" in book.changed
        ),
        headline=headline,
        facts=tuple(lines),
        layers=layers,
        layers_missing=tuple(role for role in layers if role not in given),
        applies=conditions(rule.applies),
        test=conditions(rule.test),
        rests_on={
            name: plain(book.values[name]) for name in grounds_of_rule(book, rule).parameters
        },
        definition=definition(book, rule),
        related=_related(book, rule),
    )


def _related(book: Rulebook, rule: model.Rule) -> dict[str, Text]:
    """Return condition → title of the rules that each related subject must meet."""
    found: dict[str, Text] = {}
    for each in (leaf for leaf in active_leaves(book, rule) if isinstance(leaf, model.Each)):
        other = book.known[rule.id, each.each]
        for leaf in active_leaves(book, other):
            if not isinstance(leaf, model.Each):
                title = fact_title(book, other.role, model.fact_of(leaf))
                found[model.condition_name(leaf)] = title
    return found


def _reported_line(book: Rulebook, subject: str, name: str, columns: Mapping[str, str]) -> FactLine:
    """Return a fact that is only told."""
    spec = book.facts.get(name)
    found = grounds_of_fact(book, subject, name)
    change = spec.change if spec is not None else None
    return FactLine(
        column=columns[name],
        title=fact_title(book, subject, name),
        unit=fact_unit(book, subject, name),
        limit=None,
        feature_column=columns[spec.feature] if spec is not None and spec.feature else None,
        empty=EMPTY.get(spec.question) if spec is not None else None,
        fact=name,
        layers=tuple(found.layers),
        fields=tuple(found.fields),
        parameters=tuple(found.parameters),
        less=Text(change.less_zh, change.less_en) if change else None,
        more=Text(change.more_zh, change.more_en) if change else None,
        share_of=columns.get(change.of) if change and change.of else None,
        supply=spec.supply if spec is not None else None,
        words=tuple(fact_words(book, subject, name).items()),
    )


def _fact_line(
    book: Rulebook, rule: model.Rule, leaf: model.Leaf, columns: Mapping[str, str]
) -> FactLine:
    """Return a fact with what a condition asks of it."""
    subject = rule.role
    told = _reported_line(book, subject, model.fact_of(leaf), columns)
    asked: dict[str, Any] = {}
    named: list[str] = []
    match leaf:
        case model.Compare() if leaf.limit_fact:
            limits = grounds_of_fact(book, subject, leaf.limit_fact)
            asked = {"side": leaf.side, "limit_column": columns[leaf.limit_fact]}
            asked["layers"] = tuple(dict.fromkeys([*told.layers, *limits.layers]))
            asked["fields"] = tuple(dict.fromkeys([*told.fields, *limits.fields]))
            named = list(limits.parameters)
        case model.Compare():
            named = [f"{rule.id}.{leaf.limit}"]
            asked = {"side": leaf.side, "limit_value": book.values[named[0]]}
            asked["exclusive"] = rule.parameters[leaf.limit or ""].bound == "exclusive"
        case model.Inside():
            asked = {"side": "inside", "limit_value": 0.0}
        case model.Is():
            asked = {"wanted": ("yes" if leaf.is_ else "no",)}
        case model.OneOf():
            named = [f"{rule.id}.{leaf.one_of}"]
            asked = {"wanted": tuple(book.listed(named[0], subject, leaf.fact) or ())}
    return replace(
        told,
        limit=limit(book, rule, leaf),
        exception=_is_exception(book, rule, leaf),
        condition=model.condition_name(leaf),
        parameters=tuple(dict.fromkeys([*told.parameters, *named])),
        **asked,
    )


def _conditions(node: model.Node | None, place: Callable[[model.Leaf], int]) -> Conditions:
    """Return how conditions combine; one that always holds is all of nothing."""
    match node:
        case model.AllOf():
            members = [_conditions(member, place) for member in node.all]
            members += [Conditions("not", (_conditions(m, place),)) for m in node.unless]
            return Conditions("all", tuple(members))
        case model.AnyOf():
            return Conditions("any", tuple(_conditions(member, place) for member in node.any))
        case model.Each():
            return Conditions("each", role=node.each)
        case model.Meets():
            return Conditions(
                "rule",
                rule=node.rule,
                condition=model.condition_name(node),
                unasked_passes=node.missing == "passes",
            )
        case None | model.Always() | model.Choose():
            return Conditions("all")
        case _:
            return Conditions(
                "line",
                line=place(node),
                otherwise=getattr(node, "otherwise", None),
                unasked_passes=getattr(node, "missing", None) == "passes",
            )


def parameters_of(book: Rulebook, rule: model.Rule) -> dict[str, Any]:
    """Return the parameters of a rule in force, by their full names."""
    names = (f"{rule.id}.{key}" for key in rule.parameters)
    return {name: plain(book.values[name]) for name in names}


def plain(value: Any) -> Any:
    """Return a parameter value as JSON can hold it."""
    if isinstance(value, list):
        return [v.model_dump(exclude_none=True) if isinstance(v, model.Step) else v for v in value]
    return value
