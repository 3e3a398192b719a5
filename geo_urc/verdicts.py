"""Five words, their reasons, and how they combine. No geometry, no files.

An :class:`Outcome` is a column of states with a column of reason sets; all logic is
vectorised, and every reason of the deciding parts is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from geo_urc.text import Text


class Verdict(IntEnum):
    """The five words; the order is that of "all of": the worst member decides."""

    ELIGIBLE = 0
    REVIEW = 1
    UNKNOWN = 2
    INELIGIBLE = 3
    NOT_APPLICABLE = 4

    @property
    def word(self) -> str:
        """The text stored in result columns."""
        return self.name.lower()


LABELS: dict[str, Text] = {
    "eligible": Text("符合", "eligible"),
    "ineligible": Text("不符合", "ineligible"),
    "review": Text("需人工研判", "review"),
    "unknown": Text("资料不足", "unknown"),
    "not_applicable": Text("不适用", "not applicable"),
}
"""Verdict → what a reader sees, in the order in which results are shown."""

REASONS: dict[str, Text] = {
    "layer_missing": Text("缺少所需图层", "a layer that the rule needs was not given"),
    "attribute_missing": Text("缺少属性", "an attribute is missing"),
    "parameter_missing": Text("缺少参数", "a parameter has to be supplied"),
    "outside_coverage": Text(
        "超出图层完整覆盖范围", "beyond the area in which the layer is complete"
    ),
    "network_gap": Text(
        "路网有断口或不相连", "the road network has a gap, or does not hang together"
    ),
    "geometry_unusable": Text("图形无法使用", "the geometry cannot be used"),
    "datum_unknown": Text("坐标基准不明", "the datum of the coordinates is not known"),
    "value_unrecognised": Text("属性值无法识别", "an attribute value is not recognised"),
    "within_accuracy": Text(
        "与限值之差小于数据精度", "nearer to the limit than the data's accuracy"
    ),
    "soft_limit": Text("超出原则性限值", "over a limit that holds in principle only"),
    "straddles": Text("跨越边界", "straddles a boundary"),
    "reading_open": Text("政策文字有待解释", "the text leaves the reading open"),
    "not_met": Text("未满足条件", "a condition is not met"),
    "undecided": Text("所依据的条款尚未判定", "a clause that it builds upon is undecided"),
    "presumed": Text("未有资料，按符合处理", "nothing is stated; presumed to be met"),
    "presumed_not": Text("未有资料，按不涉及处理", "nothing is stated; presumed not to apply"),
}
"""Reason code (the part before ``:``) → what a reader sees."""

GAPS = (
    r"(?:layer|attribute|parameter)_missing[^;]*|outside_coverage|geometry_unusable|datum_unknown"
)
"""Pattern of the reason codes that say that something is missing."""


def reason_text(code: str) -> Text:
    """Return what a reader sees for one code of a reason column.

    Examples
    --------
    >>> reason_text("attribute_missing:gfa_m2").zh
    '缺少属性：gfa_m2'
    """
    head, _, detail = code.partition(":")
    label = REASONS.get(head, Text(head, head))
    return Text(f"{label.zh}：{detail}", f"{label.en}: {detail}") if detail else label


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """States of many subjects under one condition or rule, and why.

    Attributes
    ----------
    state
        :class:`Verdict` numbers, one a subject.
    reasons
        Reason code → the subjects it holds for. A met condition needs no reason.
    """

    state: npt.NDArray[np.uint8]
    reasons: Mapping[str, Mask]

    def __len__(self) -> int:
        return len(self.state)


def outcome(n: int, state: Verdict, reason: str | None = None) -> Outcome:
    """Return the same state, with the same reason, for ``n`` subjects."""
    reasons = {reason: np.ones(n, bool)} if reason else {}
    return Outcome(np.full(n, state, np.uint8), reasons)


def all_of(members: Sequence[Outcome]) -> Outcome:
    """Return ineligible over unknown over review over eligible; every reason is kept.

    Examples
    --------
    >>> yes, open_ = outcome(1, Verdict.ELIGIBLE), outcome(1, Verdict.REVIEW, "straddles")
    >>> both = all_of([yes, open_])
    >>> Verdict(both.state[0]).word, list(both.reasons)
    ('review', ['straddles'])
    """
    state = np.maximum.reduce([m.state for m in members])
    return Outcome(state, _union(members))


def any_of(members: Sequence[Outcome]) -> Outcome:
    """Return eligible over unknown over review over ineligible.

    Where one member is met the others' reasons have no bearing and are dropped.

    Examples
    --------
    >>> no, gap = outcome(1, Verdict.INELIGIBLE, "not_met:a"), outcome(1, Verdict.UNKNOWN, "x")
    >>> Verdict(any_of([no, gap]).state[0]).word
    'unknown'
    """
    rank = np.array([0, 2, 1, 3], np.uint8)  # swaps review and unknown; its own inverse
    state = rank[np.minimum.reduce([rank[m.state] for m in members])]
    open_ = state != Verdict.ELIGIBLE
    return Outcome(state, {code: mask & open_ for code, mask in _union(members).items()})


def none_of(member: Outcome, name: str) -> Outcome:
    """Return the negation: met becomes not met (reason ``not_met:name``) and back."""
    flip = np.array(
        [Verdict.INELIGIBLE, Verdict.REVIEW, Verdict.UNKNOWN, Verdict.ELIGIBLE], np.uint8
    )
    met = member.state == Verdict.ELIGIBLE
    undecided = ~met & (member.state != Verdict.INELIGIBLE)
    reasons = {code: mask & undecided for code, mask in member.reasons.items()}
    return Outcome(flip[member.state], {**reasons, f"not_met:{name}": met})


def gate(applies: Outcome, test: Outcome) -> Outcome:
    """Return the verdict of a rule from whom it is for and what must hold.

    Surely not for the subject: not applicable. Undecided: no better than that, and not
    decided by the test either, because a rule that may not apply cannot forbid.
    """
    n = len(test)
    decided = applies.state == Verdict.ELIGIBLE
    foreign = applies.state == Verdict.INELIGIBLE
    doubt = np.minimum(np.maximum(applies.state, test.state), Verdict.UNKNOWN)
    doubt = np.where(test.state == Verdict.INELIGIBLE, applies.state, doubt)
    state = np.where(decided, test.state, np.where(foreign, Verdict.NOT_APPLICABLE, doubt))
    reasons = {code: mask & ~decided for code, mask in applies.reasons.items()}
    for code, mask in test.reasons.items():
        reasons[code] = reasons.get(code, np.zeros(n, bool)) | (mask & ~foreign)
    return Outcome(state.astype(np.uint8), reasons)


def worst_by(groups: npt.NDArray[np.intp], members: Outcome, n: int) -> Outcome:
    """Return "all of" over related subjects: member ``i`` counts for row ``groups[i]``.

    Rows without members are eligible: there is nothing that could fail.
    """
    state = np.zeros(n, np.uint8)
    np.maximum.at(state, groups, members.state)
    reasons = {}
    for code, mask in members.reasons.items():
        hit = np.zeros(n, bool)
        hit[groups[mask]] = True
        reasons[code] = hit
    return Outcome(state, reasons)


def words(result: Outcome) -> npt.NDArray[np.object_]:
    """Return the verdict column: the word of each state."""
    return np.array([v.word for v in Verdict], dtype=object)[result.state]


def reason_column(result: Outcome) -> npt.NDArray[np.object_]:
    """Return the reason column: the codes of each subject joined by ``;``, in a fixed order.

    Examples
    --------
    >>> both = all_of([outcome(1, Verdict.UNKNOWN, "layer_missing"),
    ...                outcome(1, Verdict.REVIEW, "straddles")])
    >>> reason_column(both).tolist()
    ['layer_missing;straddles']
    """
    order = list(REASONS)
    codes = sorted(
        (code for code, mask in result.reasons.items() if mask.any()),
        key=lambda code: (order.index(head) if (head := code.split(":")[0]) in order else 99, code),
    )
    return join_codes(codes, [result.reasons[code] for code in codes], len(result))


def join_codes(codes: Sequence[str], masks: Sequence[Mask], n: int) -> npt.NDArray[np.object_]:
    """Return, for each of ``n`` subjects, the codes whose mask holds, joined by ``;``."""
    if not codes:
        return np.full(n, "", dtype=object)
    held = np.column_stack(masks)
    differs = held.any(axis=0) & ~held.all(axis=0)  # most codes hold for all subjects or none
    packed = np.packbits(held[:, differs], axis=1)
    if packed.shape[1] == 0:
        packed = np.zeros((n, 1), np.uint8)
    keys = np.ascontiguousarray(packed).view(f"S{packed.shape[1]}").reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    texts = [";".join(np.array(codes, dtype=object)[row]) for row in held[first]]
    return np.array(texts, dtype=object)[inverse]


def _union(members: Sequence[Outcome]) -> dict[str, Mask]:
    reasons: dict[str, Mask] = {}
    for member in members:
        for code, mask in member.reasons.items():
            reasons[code] = reasons[code] | mask if code in reasons else mask
    return reasons
