"""One parameter over a run of values: the inputs read once, the rules that hang on it evaluated."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from geo_urc import describe
from geo_urc.errors import LayerError, Problem, RulebookError
from geo_urc.evaluation import Evaluation, Scene
from geo_urc.grounds import facts_with, grounds_of_rule
from geo_urc.inputs.table import Features, Inputs
from geo_urc.outputs.staging import RECORD, staged
from geo_urc.policy.rulebook import Rulebook
from geo_urc.progress import SILENT, Progress
from geo_urc.record import run_record
from geo_urc.results import Sweep
from geo_urc.roles import roles
from geo_urc.screening import Screening
from geo_urc.tables import write_table
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS, Verdict

MOST_VALUES = 500


@dataclass(frozen=True)
class SweepPlan:
    """Which values, and what hangs on them; all faults are found in making it.

    Attributes
    ----------
    parameter
        Full name, ``T08a.radius_m``.
    books
        The rulebook under each value, in order.
    rules
        Rules whose verdict can change, by id and subject.
    """

    parameter: str
    books: tuple[Rulebook, ...]
    rules: tuple[tuple[str, str], ...]

    @property
    def values(self) -> list[Any]:
        """The values, in the parameter's own type."""
        return [book.values[self.parameter] for book in self.books]


def written_values(text: str) -> list[str]:
    """Return the values of ``start:stop:step`` or of a list by comma, as they are written.

    The stop is among them where it falls on a step. Steps are decimal: 0.1 is a tenth.

    Raises
    ------
    ValueError
        With what is wrong with the text.

    Examples
    --------
    >>> written_values("500:800:100"), written_values("0.1:0.3:0.1")
    (['500', '600', '700', '800'], ['0.1', '0.2', '0.3'])
    >>> written_values("any,share")
    ['any', 'share']
    """
    if ":" not in text:
        found = [part.strip() for part in text.split(",") if part.strip()]
    else:
        try:
            start, stop, step = (Decimal(part.strip()) for part in text.split(":"))
        except (ValueError, InvalidOperation):
            raise ValueError(text) from None
        if not (start.is_finite() and stop.is_finite() and step.is_finite()):
            raise ValueError(text)
        if step <= 0 or stop < start:
            raise ValueError(f"{text}; start ≤ stop, step > 0")
        n = int((stop - start) / step) + 1
        if n > MOST_VALUES:
            raise ValueError(f"{text}; {n} > {MOST_VALUES}")
        found = [_plain(start + i * step) for i in range(n)]
    if not 0 < len(found) <= MOST_VALUES:
        raise ValueError(text)
    return list(dict.fromkeys(found))


def _plain(value: Decimal) -> str:
    """Return a decimal without exponent and without zeros behind the figure."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sweep_plan(book: Rulebook, over: str) -> SweepPlan:
    """Return the plan for ``NAME=start:stop:step`` or ``NAME=a,b,c``.

    Raises
    ------
    RulebookError
        No such parameter, values that are none of its, or nothing hangs on it.
    """
    name, _, spec = (part.strip() for part in over.partition("="))
    try:
        texts = written_values(spec)
    except ValueError as error:
        raise RulebookError(
            Problem(
                f"--over {over}",
                Text(f"取值无效：{error}。", f"the values are not valid: {error}."),
                Text(
                    "写作 --over T08a.radius_m=500:1200:100 或 --over T08a.cover=any,share。",
                    "Write --over T08a.radius_m=500:1200:100 or --over T08a.cover=any,share.",
                ),
            )
        ) from None
    books, problems = [], []
    for text in texts:
        try:
            books.append(book.with_parameters({name: text}, "--over"))
        except RulebookError as error:
            problems += [p for p in error.problems if p not in problems]
    if problems:
        raise RulebookError(problems)
    rules = dict.fromkeys(
        (rule.id, rule.subject or "")
        for rule in book.rules.values()
        for under in books
        if rule.computed and name in grounds_of_rule(under, rule).parameters
    )
    if not rules:
        raise RulebookError(
            Problem(
                f"--over {name}",
                Text(
                    "在所选规则和读法下，没有结论取决于这个参数。",
                    "no verdict hangs on this parameter, with these rules and this reading.",
                ),
                Text(
                    "核对 --only，以及选定读法的参数。",
                    "Check --only, and the parameters that choose a reading.",
                ),
            )
        )
    return SweepPlan(name, tuple(books), tuple(rules))


def sweep(
    inputs: Inputs, plan: SweepPlan, *, strict: bool = False, progress: Progress = SILENT
) -> Sweep:
    """Evaluate the rules of a plan under each value.

    The subjects are gone through once; what does not hang on the parameter is worked out
    once for all values.

    Raises
    ------
    LayerError
        None of the subjects that the rules are for is among the inputs.
    """
    scene = Scene(plan.books[0], inputs.layers, strict, inputs.parcels)
    scenes = [scene, *(scene.under(book) for book in plan.books[1:])]
    rows = []
    for role in dict.fromkeys(subject for _, subject in plan.rules):
        if role != inputs.parcels.role and role not in inputs.layers:
            continue
        ids = [rule for rule, subject in plan.rules if subject == role]
        stale = {plan.parameter}.union(*(facts_with(b, role, plan.parameter) for b in plan.books))
        number = np.zeros((len(scenes), len(ids), len(Verdict)), np.int64)
        area_m2 = np.zeros(number.shape)
        title = roles()[role].title
        progress.phase(Text(f"扫描{title.zh}", f"Sweep: {title.en}"), inputs.count(role))
        for features, datum_known in _subjects(inputs, role):
            size = np.nan_to_num(shapely.area(features.geometry))
            evaluation = Evaluation(features, scenes[0], datum_known)
            for i, under in enumerate(scenes):
                evaluation = evaluation.again(under, stale) if i else evaluation
                for j, rule in enumerate(ids):
                    state = evaluation.outcome(rule).state
                    number[i, j] += np.bincount(state, minlength=len(Verdict))
                    area_m2[i, j] += np.bincount(state, weights=size, minlength=len(Verdict))
            progress.done(len(features))
        rows += _rows(plan, role, ids, number, area_m2)
    if not rows:
        raise _nobody(plan)
    return Sweep(
        parameter=plan.parameter,
        title=plan.books[0].parameter(plan.parameter).title,
        unit=plan.books[0].parameter(plan.parameter).unit,
        values=tuple(describe.plain(value) for value in plan.values),
        rules={
            (rule, subject): plan.books[0].known[rule, subject].title
            for rule, subject in plan.rules
            if any(row["rule"] == rule and row["subject"] == subject for row in rows)
        },
        subjects={row["subject"]: roles()[row["subject"]].title for row in rows},
        table=pa.Table.from_pylist(rows),
    )


def _subjects(inputs: Inputs, role: str) -> Iterator[tuple[Features, bool]]:
    """Yield the subjects of a role, parcels by batches, and whether their datum is known."""
    if role == inputs.parcels.role:
        for batch in inputs.parcels.batches():
            yield batch.features, inputs.parcels.datum_known
    else:
        layer = inputs.layers[role]
        yield layer.features, layer.datum_known


def _rows(
    plan: SweepPlan,
    role: str,
    ids: Sequence[str],
    number: np.ndarray,
    area_m2: np.ndarray,
) -> list[dict[str, Any]]:
    words = [Verdict[word.upper()] for word in LABELS]
    return [
        {
            "parameter": plan.parameter,
            "value": describe.plain(value),
            "subject": role,
            "rule": rule,
            **{v.word: int(number[i, j, v]) for v in words},
            **{f"{v.word}_m2": float(area_m2[i, j, v]) for v in words},
        }
        for j, rule in enumerate(ids)
        for i, value in enumerate(plan.values)
    ]


def _nobody(plan: SweepPlan) -> LayerError:
    wanted = dict.fromkeys(subject for _, subject in plan.rules)
    titles = [roles()[role].title for role in wanted]
    return LayerError(
        Problem(
            f"--over {plan.parameter}",
            Text("输入中没有受它影响的对象。", "the inputs hold none of the subjects concerned."),
            Text(
                f"提供图层：{'、'.join(t.zh for t in titles)}。",
                f"Give the layer: {', '.join(t.en for t in titles)}.",
            ),
        )
    )


def run_sweep(
    inputs: Inputs,
    book: Rulebook,
    plan: SweepPlan,
    out: Path,
    *,
    as_of: dt.date,
    strict: bool = False,
    lang: Lang = "zh",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Sweep:
    """Sweep and write the folder: table, chart, page and record, whole or not at all."""
    with staged(out, overwrite=overwrite) as folder:
        found = sweep(inputs, plan, strict=strict, progress=progress)
        record = sweep_record(inputs, book, found, as_of=as_of, strict=strict)
        from geo_urc.outputs.sweep_chart import sweep_chart
        from geo_urc.outputs.sweep_page import write_sweep_page

        chart = sweep_chart(found, lang)
        write_table(found.table, folder / "sweep.csv", "sweep")
        (folder / "sweep.svg").write_text(chart, encoding="utf-8", newline="\n")
        write_sweep_page(found, chart, record, folder / "sweep.html", lang)
        text = json.dumps(record, ensure_ascii=False, indent=1)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")
    return found


def sweep_record(
    inputs: Inputs, book: Rulebook, found: Sweep, *, as_of: dt.date, strict: bool
) -> Mapping[str, Any]:
    """Return the record of a sweep: that of a run, with the values in the place of results."""
    asked = book.only(rule for rule, _ in found.rules)
    record = run_record(Screening(inputs, asked, strict), as_of=as_of)
    for key in ("counts", "written", "layers"):
        del record[key]
    record["sweep"] = {
        "parameter": found.parameter,
        "values": list(found.values),
        "rules": [{"rule": rule, "subject": subject} for rule, subject in found.rules],
    }
    return record
