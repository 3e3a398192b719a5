"""Load the rulebook, lay the user's changes over it, and hold its parameters."""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from sys import float_info
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from geo_urc.errors import Problem, RulebookError
from geo_urc.policy import model, tables
from geo_urc.roles import roles
from geo_urc.text import Text
from geo_urc.validation import finding

FOLDER = Path(__file__).parent / "rulebook"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
T = TypeVar("T", bound=model.Table)


@dataclass(frozen=True)
class Rulebook:
    """All measures, rules, facts and parameters that a run goes by.

    Attributes
    ----------
    measures, rules, facts, documents
        As loaded; rules are keyed by ``(id, subject)`` because one rule may be tested on
        a green space and on each project under it. Rules are those asked for, in force.
    values
        Parameter name (``T08a.radius_m``) → value in force.
    given
        Names of the parameters that the user set.
    stated
        Parameter name → the source that the user states for a value of their own.
    known
        Every rule, asked for or not: others may hang on its verdict.
    date
        The day that the rulebook speaks for; None before :meth:`as_of`.
    resting
        Rules asked for that are not in force on that day.
    """

    documents: Mapping[str, model.Document]
    measures: Mapping[str, model.Measure]
    rules: Mapping[tuple[str, str | None], model.Rule]
    facts: Mapping[str, model.Fact]
    values: Mapping[str, Any]
    given: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[tuple[str, str | None], model.Rule] = field(default_factory=dict)
    date: dt.date | None = None
    resting: tuple[tuple[str, str | None], ...] = ()

    def measure_of(self, rule: model.Rule) -> model.Measure:
        """Return the measure that a rule belongs to."""
        return self.measures[rule.id.rstrip(_LETTERS)]

    def of_subject(self, subject: str) -> list[model.Rule]:
        """Return the computed rules of a subject, in rulebook order."""
        return [r for r in self.rules.values() if r.subject == subject and r.computed]

    def concerning(self, subject: str) -> list[model.Rule]:
        """Return the procedural rules that are matched with a subject, in rulebook order."""
        return [r for r in self.rules.values() if r.concerns and subject in r.concerns_subjects]

    def parameter(self, name: str) -> model.Parameter:
        """Return the definition of a parameter by its full name."""
        rule, _, key = name.partition(".")
        return next(
            r.parameters[key] for r in self.known.values() if r.id == rule and key in r.parameters
        )

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Names of the parameters that the user set to another value than the rulebook's."""
        return tuple(n for n in self.given if self.values[n] != self.parameter(n).at(self.date))

    def term(self, rule: model.Rule) -> tuple[dt.date | None, dt.date | None]:
        """Return the first and the last day of a rule, None where not known.

        The measure's own first day, else the day on which its document was issued.
        """
        measure = self.measure_of(rule)
        start = measure.effective_from or self.documents[measure.document].issued
        return start, measure.effective_until

    def in_force(self, rule: model.Rule) -> bool:
        """Return whether a rule holds on the day that the rulebook speaks for."""
        start, end = self.term(rule)
        day = self.date
        return day is None or not ((start and day < start) or (end and day > end))

    def listed(self, parameter: str, subject: str, fact: str) -> list[str] | None:
        """Return the words of a list parameter, codes where the subject's field has a vocabulary.

        None if the user has to supply them.
        """
        words = self.values[parameter]
        field = roles()[subject].fields.get(fact)
        codes = {label: code for code, label in field.words.items()} if field else {}
        return None if words is None else [codes.get(word, word) for word in words]

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Full names of all parameters."""
        return tuple(f"{r.id}.{key}" for r in self.rules.values() for key in r.parameters)

    @cached_property
    def version(self) -> str:
        """Short hash of everything that can change a verdict."""
        digest = hashlib.sha256()
        for table in (*self.measures.values(), *self.known.values(), *self.facts.values()):
            digest.update(table.model_dump_json(by_alias=True).encode())
        digest.update(repr(sorted(self.values.items(), key=lambda item: item[0])).encode())
        return digest.hexdigest()[:12]

    def only(self, ids: Iterable[str]) -> Rulebook:
        """Return the rulebook reduced to some rules (``T08a``) or measures (``T08``)."""
        wanted = set(ids)
        known = {r.id for r in self.rules.values()} | set(self.measures)
        unknown = sorted(wanted - known)
        if unknown:
            raise RulebookError(
                [Problem("--only", *_not_there("规则", "rule", name, known)) for name in unknown]
            )
        kept = {
            key: r
            for key, r in self.rules.items()
            if r.id in wanted or self.measure_of(r).id in wanted
        }
        return replace(self, rules=kept)

    def as_of(self, date: dt.date) -> Rulebook:
        """Return the rulebook with the rules and the values in force on a date.

        What the user set stays. Rules that are not in force are told in ``resting``.
        """
        dated = replace(self, date=date)
        kept = {key: rule for key, rule in self.rules.items() if dated.in_force(rule)}
        resting = (*self.resting, *(key for key in self.rules if key not in kept))
        values = {
            name: value if name in self.given else self.parameter(name).at(date)
            for name, value in self.values.items()
        }
        return replace(dated, rules=kept, values=values, resting=resting)

    def with_parameters(
        self, settings: Mapping[str, Any], where: str, base: Path = Path()
    ) -> Rulebook:
        """Return the rulebook with parameters changed; all faults are raised at once.

        Parameters
        ----------
        settings
            Parameter name → value, or a table with ``value`` or ``file`` (a CSV, see
            :mod:`geo_urc.policy.tables`) and the ``source`` that the user states for it.
        where
            What messages call the place of the settings.
        base
            Folder that files start from.
        """
        values, given, problems = dict(self.values), dict.fromkeys(self.given), []
        stated = dict(self.stated)
        for name, raw in settings.items():
            if name not in values:
                problems.append(
                    Problem(f"{where}: {name}", *_not_there("参数", "parameter", name, values))
                )
                continue
            spec = self.parameter(name)
            try:
                raw, source = tables.given(raw, spec.form, base)
                value = _parameter_value(spec, raw)
            except ValueError as error:
                problems.append(
                    Problem(
                        f"{where}: {name}",
                        Text(f"参数值无效：{error}。", f"the value is not valid: {error}."),
                        Text(
                            f"用 geo-urc rules show {name.partition('.')[0]} 查看其含义。",
                            f"See geo-urc rules show {name.partition('.')[0]}.",
                        ),
                    )
                )
                continue
            values[name] = value
            stated.pop(name, None)
            if source:
                stated[name] = source
            given[name] = None
        if problems:
            raise RulebookError(problems)
        return replace(self, values=values, given=tuple(given), stated=stated)

    def with_parameters_below(
        self, settings: Mapping[str, Any], where: str, base: Path = Path()
    ) -> Rulebook:
        """Return the rulebook with parameters changed that nothing has been given for yet.

        So settings of LAYERS.toml, which is read last, stay beneath those of rule files.
        """
        new = {name: value for name, value in settings.items() if name not in self.given}
        return self.with_parameters(new, where, base)


def load_rulebook(overlays: Iterable[Path] = (), folder: Path = FOLDER) -> Rulebook:
    """Load the built-in rulebook and lay the user's files over it, in order.

    Raises
    ------
    RulebookError
        With every fault of every file, each with its path in the file.

    Examples
    --------
    >>> load_rulebook().values["T08a.radius_m"]
    800.0
    """
    problems: list[Problem] = []
    documents = _read_each(folder.parent / "documents.toml", model.Document, problems)
    facts: dict[str, model.Fact] = {}
    origin: dict[str, str] = {}
    for path in sorted((folder.parent / "facts").glob("*.toml")):
        page = _read_each(path, model.Fact, problems)
        problems.extend(_twice(path.name, page, facts))
        facts |= page
        origin |= dict.fromkeys(page, path.name)
    measures: dict[str, model.Measure] = {}
    rules: dict[tuple[str, str | None], model.Rule] = {}
    settings: list[tuple[Path, dict[str, Any]]] = []

    for path in sorted(folder.glob("*.toml"), key=_by_number):
        sheet = _read(path, model.MeasureFile, problems)
        if sheet:
            _add(sheet.measure, sheet.rules, path.name, measures, rules, origin, problems)
    for path in overlays:
        overlay = _read(path, model.OverlayFile, problems)
        if overlay is None:
            continue
        facts |= overlay.facts
        origin |= dict.fromkeys(overlay.facts, path.name)
        if overlay.measure:
            _add(overlay.measure, overlay.rules, path.name, measures, rules, origin, problems)
        elif overlay.rules:
            problems.append(
                Problem(
                    f"{path.name}: rules",
                    Text("有规则而没有 [measure]。", "there are rules but no [measure]."),
                    Text("补充 [measure] 表。", "Add a [measure] table."),
                )
            )
        settings.append((path, overlay.parameters))

    amounts = {model.amount_fact(r.id): _amount(r) for r in rules.values() if _has_amount(r)}
    problems.extend(_twice("rules.price", amounts, facts))
    facts |= amounts
    origin |= {
        name: origin[fact.arguments["rule"].rstrip(_LETTERS)] for name, fact in amounts.items()
    }
    values = {f"{r.id}.{k}": p.value for r in rules.values() for k, p in r.parameters.items()}
    book = Rulebook(documents, measures, rules, facts, values, (), origin, known=rules)
    problems.extend(_faults(book))
    if problems:
        raise RulebookError(problems)
    for path, parameters in settings:
        book = book.with_parameters(parameters, path.name, path.parent)
    return book


def _twice(where: str, page: Iterable[str], before: Iterable[str]) -> Iterator[Problem]:
    """Yield the facts of a file that another file defines as well."""
    for name in sorted(set(page) & set(before)):
        yield Problem(
            f"{where}: {name}",
            Text("另一个文件已定义同名事实。", "another file defines a fact of this name."),
            Text("改用别的名称。", "Give it another name."),
        )


def _by_number(path: Path) -> tuple[bool, str, int]:
    """Order T1…T75 before P0…P7, by number: the order of the documents."""
    letters = path.stem.rstrip("0123456789")
    digits = path.stem[len(letters) :]
    return (letters != "T", letters, int(digits or 0))


def _read(path: Path, shape: type[T], problems: list[Problem]) -> T | None:
    content = _toml(path, problems)
    return None if content is None else _shape(content, shape, path.name, problems)


def _read_each(path: Path, shape: type[T], problems: list[Problem]) -> dict[str, T]:
    content = _toml(path, problems) or {}
    parsed = {
        key: _shape(value, shape, f"{path.name}: {key}", problems) for key, value in content.items()
    }
    return {key: value for key, value in parsed.items() if value is not None}


def _toml(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(
            Problem(
                str(path),
                Text(f"无法读取：{error}。", f"cannot be read: {error}."),
                Text("检查路径、UTF-8 编码和 TOML 语法。", "Check path, UTF-8 and TOML syntax."),
            )
        )
        return None


def _shape(content: Any, shape: type[T], where: str, problems: list[Problem]) -> T | None:
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        for fault in error.errors():
            problems.append(
                Problem(
                    f"{where}: {_path(content, fault['loc'])}",
                    finding(fault),
                    Text("格式见 geo-urc rules schema。", "See geo-urc rules schema."),
                )
            )
        return None


def _path(content: Any, location: tuple[str | int, ...]) -> str:
    """Return ``rules[0].test.all[1].fact``: the fault's place as the file spells it."""
    text = ""
    for step in location:
        here = content
        content = None
        if isinstance(step, int):
            text += f"[{step}]"
            content = here[step] if isinstance(here, list) and step < len(here) else None
        elif isinstance(here, dict) and step in here:
            text += f".{step}"
            content = here[step]
        elif step in model.NODE_KINDS:  # pydantic names the kind of condition on the way
            content = here
        else:
            text += f".{step}"
    return text.removeprefix(".")


def _add(
    measure: model.Measure,
    new: list[model.Rule],
    where: str,
    measures: dict[str, model.Measure],
    rules: dict[tuple[str, str | None], model.Rule],
    origin: dict[str, str],
    problems: list[Problem],
) -> None:
    """Add a measure with its rules; an overlay's measure replaces one of the same id."""
    for key in [k for k, r in rules.items() if _is_part(r.id, measure.id)]:
        del rules[key]
    measures[measure.id] = measure
    origin[measure.id] = where
    for i, rule in enumerate(new):
        if not _is_part(rule.id, measure.id):
            problems.append(
                Problem(
                    f"{where}: rules[{i}].id",
                    Text(
                        f"{rule.id} 不属于措施 {measure.id}。",
                        f"{rule.id} does not belong to measure {measure.id}.",
                    ),
                    Text(
                        "规则编号为措施编号，可加一个小写字母。",
                        "A rule id is the measure's id, with one small letter at most.",
                    ),
                )
            )
            continue
        rules[rule.id, rule.subject] = rule


def _is_part(rule: str, measure: str) -> bool:
    return rule.rstrip(_LETTERS) == measure


def _faults(book: Rulebook) -> Iterator[Problem]:
    """Yield what no single table can see: names that lead nowhere."""
    for measure in book.measures.values():
        if measure.document not in book.documents:
            yield Problem(
                f"{book.origin[measure.id]}: measure.document",
                *_not_there("文件", "document", measure.document, book.documents),
            )
    catalogue = roles()
    for name, fact in book.facts.items():
        yield from _fact_faults(book, name, fact)
    for rule in book.rules.values():
        where = f"{book.origin[book.measure_of(rule).id]}: {rule.id}"
        yield from _concern_faults(book, where, rule)
        if rule.subject is None:
            if rule.computed:
                yield Problem(
                    f"{where}.subject",
                    Text("有 test 而没有 subject。", "there is a test but no subject."),
                    Text("写明判定对象。", "Say what gets the verdict."),
                )
            continue
        if rule.subject not in catalogue:
            yield Problem(
                f"{where}.subject", *_not_there("图层角色", "layer role", rule.subject, catalogue)
            )
            continue
        yield from _dated_faults(where, rule)
        facts = {*book.facts, *catalogue[rule.subject].fields}
        names = {model.condition_name(leaf) for leaf in model.leaves(rule.test)}
        for root in (rule.applies, rule.test):
            yield from _condition_faults(where, rule, root, facts)
            for node in model.presupposed(root):
                name = model.condition_name(node)
                yield from _rule_faults(book, f"{where}.{name}", rule, node.rule)
        if rule.price is not None:
            yield from _price_faults(book, f"{where}.price", rule, rule.price, facts)
        for name in rule.results:
            if name not in facts:
                yield Problem(f"{where}.results", *_not_there("事实", "fact", name, facts))
        for name in rule.headlines:
            if name not in names:
                yield Problem(f"{where}.headline", *_not_there("条件", "condition", name, names))


def _rule_faults(book: Rulebook, where: str, rule: model.Rule, other: str) -> Iterator[Problem]:
    """Yield what is wrong with a rule that another builds upon: not there, or going round."""
    known = [r.id for r in book.of_subject(rule.subject or "") if r.id != rule.id]
    if other not in known:
        yield Problem(where, *_not_there("规则", "rule", other, known))
    elif rule.id in _beneath(book, other, rule.subject):
        yield Problem(
            where,
            Text(
                f"{rule.id} 与 {other} 互为前提。", f"{rule.id} and {other} go round in a circle."
            ),
            Text("去掉其中一个引用。", "Remove one of the two."),
        )


def _beneath(book: Rulebook, rule: str, subject: str | None) -> set[str]:
    """Return the rules that a rule builds upon, directly or not."""
    found: set[str] = set()
    ahead = [rule]
    while ahead:
        spec = book.rules.get((ahead.pop(), subject))
        if spec is None:
            continue
        trees = [*model.presupposed(spec.applies), *model.presupposed(spec.test)]
        named = {node.rule for node in trees}
        if spec.price is not None and spec.price.upon is not None:
            named.add(spec.price.upon)
        ahead += named - found
        found |= named
    return found


def _price_faults(
    book: Rulebook, where: str, rule: model.Rule, price: model.Price, facts: Iterable[str]
) -> Iterator[Problem]:
    """Yield what a price names and nothing is: a sum in yuan, a factor, another priced rule."""
    fields = roles()[rule.subject or ""].fields
    if price.base is not None:
        units = {name: fact.unit for name, fact in book.facts.items()}
        sums = [n for n in facts if (units[n] if n in units else fields[n].unit) == "yuan"]
        if price.base not in sums:
            yield Problem(f"{where}.base", *_not_there("金额", "sum in yuan", price.base, sums))
    if isinstance(price.factor, str) and price.factor not in {*facts, *book.values}:
        known = [*facts, *book.values]
        yield Problem(f"{where}.factor", *_not_there("系数", "factor", price.factor, known))
    if price.upon is not None:
        priced = [r.id for r in book.of_subject(rule.subject or "") if _has_amount(r)]
        if price.upon not in priced:
            yield Problem(
                f"{where}.upon", *_not_there("计价规则", "priced rule", price.upon, priced)
            )
        else:
            yield from _rule_faults(book, f"{where}.upon", rule, price.upon)


def _has_amount(rule: model.Rule) -> bool:
    return rule.computed and rule.price is not None and rule.price.stated


def _amount(rule: model.Rule) -> model.Fact:
    """Return the fact that holds what is owed under a rule."""
    return model.Fact.model_validate(
        {
            "question": "amount",
            "arguments": {"rule": rule.id},
            "unit": "yuan",
            "title_zh": f"{rule.id} 应缴土地价款",
            "title_en": f"Land price due under {rule.id}",
        }
    )


def _condition_faults(
    where: str, rule: model.Rule, root: model.Node | None, facts: Collection[str]
) -> Iterator[Problem]:
    """Yield the facts and parameters that the conditions below a node name and nothing is."""
    for leaf in model.leaves(root):
        if model.fact_of(leaf) not in facts:
            yield Problem(
                f"{where}.{model.condition_name(leaf)}",
                *_not_there("事实", "fact", model.fact_of(leaf), facts),
            )
        named = leaf.limit if isinstance(leaf, model.Compare) else getattr(leaf, "one_of", None)
        if named is not None and named not in rule.parameters:
            yield Problem(
                f"{where}.{model.condition_name(leaf)}",
                *_not_there("参数", "parameter", named, rule.parameters),
            )
        if (
            isinstance(leaf, model.OneOf)
            and leaf.strange == "unknown"
            and leaf.fact not in roles()[rule.role].fields
        ):
            yield Problem(
                f"{where}.{model.condition_name(leaf)}.strange",
                Text("只有字段有词表。", "only a field has a vocabulary."),
                Text("去掉 strange。", "Leave out strange."),
            )
    for node in model.nodes(root):
        if isinstance(node, model.Choose):
            yield from _choice_faults(f"{where}.choose", rule, node)


def _concern_faults(book: Rulebook, where: str, rule: model.Rule) -> Iterator[Problem]:
    """Yield what is wrong with whom a rule concerns: it is said of procedural rules only."""
    if rule.concerns is None:
        return
    if rule.subject is not None or rule.addressee == "authority":
        yield Problem(
            f"{where}.concerns",
            Text(
                "有判定对象或只对部门提出的规则不能有 concerns。",
                "a rule with a subject, or one addressed to authorities, has no concerns.",
            ),
            Text("判定对象用 applies；否则删去其一。", "Use applies, or leave one of them out."),
        )
        return
    for leaf in model.leaves(rule.concerns):
        if isinstance(leaf, model.Each):
            yield Problem(
                f"{where}.{model.condition_name(leaf)}",
                Text("concerns 里不能用 each。", "each cannot stand in concerns."),
                Text("用对象自身的字段或所在区域。", "Use fields of the subject, or areas."),
            )
    catalogue = roles()
    subjects = [name for name, role in catalogue.items() if role.subject]
    for role in rule.concerns_subjects:
        if role not in subjects:
            yield Problem(
                f"{where}.concerns_subjects", *_not_there("判定对象", "subject", role, subjects)
            )
            continue
        facts = {*book.facts, *catalogue[role].fields}
        yield from _condition_faults(f"{where}.concerns ({role})", rule, rule.concerns, facts)
    yield from _dated_faults(where, rule)


def _fact_faults(book: Rulebook, name: str, fact: model.Fact) -> Iterator[Problem]:
    """Yield what a fact names and nothing is: a question, a layer, another fact."""
    catalogue = roles()
    known = {*book.facts, *book.values, *(f for role in catalogue.values() for f in role.fields)}
    where = f"{book.origin[name]}: {name}"
    taken = [role.id for role in catalogue.values() if name in role.fields]
    if taken:  # it would stand before what the user states
        yield Problem(
            where,
            Text(
                f"与图层角色 {'、'.join(taken)} 的字段同名。",
                f"has the name of a field of the layer role {', '.join(taken)}.",
            ),
            Text("改用别的名称。", "Give it another name."),
        )
    if fact.question not in model.QUESTIONS:
        yield Problem(where, *_not_there("问题", "question", fact.question, model.QUESTIONS))
    for key in model.LAYER_ARGUMENTS:
        role = fact.arguments.get(key)
        if role is not None and role not in catalogue:
            yield Problem(f"{where}.{key}", *_not_there("图层角色", "layer role", role, catalogue))
    if fact.question == "zonal":
        rasters = [role.id for role in catalogue.values() if role.raster]
        for key, choices, zh, en in (
            ("layer", rasters, "栅格", "raster"),
            ("stat", model.STATISTICS, "统计量", "statistic"),
        ):
            if (word := str(fact.arguments.get(key))) not in choices:
                yield Problem(f"{where}.{key}", *_not_there(zh, en, word, choices))
    if fact.report_if is not None and fact.report_if not in catalogue:
        yield Problem(
            f"{where}.report_if", *_not_there("图层角色", "layer role", fact.report_if, catalogue)
        )
    named = [fact.arguments[key] for key in ("of", "key") if key in fact.arguments]
    if fact.question in ("formula", "first_known"):
        named += model.names_in(fact.arguments)
    named += [name for case in fact.cases for name in case.names]
    if fact.change and fact.change.of:
        named.append(fact.change.of)
    if fact.question == "by_answer":
        named += model.names_in([fact.arguments.get(key, []) for key in ("yes", "no")])
    for other in named:
        if other not in known:
            yield Problem(where, *_not_there("事实", "fact", other, known))


def _dated_faults(where: str, rule: model.Rule) -> Iterator[Problem]:
    """Yield later values of parameters that are no values of theirs."""
    for key, parameter in rule.parameters.items():
        for i, dated in enumerate(parameter.values):
            try:
                _parameter_value(parameter, dated.value)
            except ValueError as error:
                yield Problem(
                    f"{where}.parameters.{key}.values[{i}].value",
                    Text(f"参数值无效：{error}。", f"the value is not valid: {error}."),
                    Text("须与 value 同类。", "It must be of the same kind as value."),
                )


def _choice_faults(where: str, rule: model.Rule, node: model.Choose) -> Iterator[Problem]:
    """Yield a choice without its parameter, or with other cases than the parameter has words."""
    parameter = rule.parameters.get(node.choose)
    if parameter is None or parameter.choices is None:
        choices = [key for key, p in rule.parameters.items() if p.choices]
        yield Problem(
            where, *_not_there("可选参数", "parameter with choices", node.choose, choices)
        )
    elif set(node.cases) != set(parameter.choices):
        words = ", ".join(parameter.choices)
        yield Problem(
            where,
            Text("cases 与参数的 choices 不一致。", "the cases are not the parameter's choices."),
            Text(f"应为：{words}。", f"They must be: {words}."),
        )


def _not_there(zh: str, en: str, name: str, known: Iterable[str]) -> tuple[Text, Text]:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = "、".join(near)
    return (
        Text(f"没有名为 {name} 的{zh}。", f"there is no {en} named {name}."),
        Text(f"是否指：{hint}？", f"Did you mean: {', '.join(near)}?")
        if near
        else Text("用 geo-urc rules list 查看。", "See geo-urc rules list."),
    )


_VALUE: TypeAdapter[model.Value] = TypeAdapter(model.Value)


def _parameter_value(parameter: model.Parameter, raw: Any) -> Any:
    """Return a user's value in the type of the built-in one; text (``--set``) is parsed."""
    if isinstance(raw, str) and not isinstance(parameter.value, str) and not parameter.choices:
        try:
            raw = tomllib.loads(f"v = {raw}")["v"]
        except tomllib.TOMLDecodeError:
            raise ValueError(f"{raw!r}") from None
    value = _VALUE.validate_python(raw)
    if parameter.form and not tables.has_form(value, parameter.form):
        raise ValueError(f"{raw!r}; {tables.FORMS[parameter.form]}")
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"{raw!r}; {' | '.join(parameter.choices)}")
    numeric = isinstance(parameter.value, float) or (
        parameter.value is None and parameter.unit and parameter.form in (None, "number")
    )
    if numeric:
        if isinstance(value, bool) or not isinstance(value, float | int):
            raise ValueError(f"{raw!r}")
        most = 1.0 if parameter.unit == "share" else float_info.max
        if not 0 <= value <= most:  # also what is not a number at all
            raise ValueError(f"{raw!r}; 0 ≤ … ≤ {most:g}")
        return float(value)
    if parameter.value is not None and type(value) is not type(parameter.value):
        raise ValueError(f"{raw!r}")
    return value
