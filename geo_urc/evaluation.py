"""Rules meet facts: each fact is asked once, conditions are judged, verdicts combined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geo_urc import exact, verdicts
from geo_urc.facts.fact import EXACT, Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Floats, Outlines, outlines
from geo_urc.facts.questions import QUESTIONS, own_field, required_arguments
from geo_urc.inputs.table import Features, Layer, Raster, SubjectSource
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.roles import roles
from geo_urc.verdicts import Outcome, Verdict

Built = TypeVar("Built")


class Tested(NamedTuple):
    """What one condition says of each subject."""

    outcome: Outcome
    margin: Floats
    accuracy: Floats


@dataclass
class Scene:
    """The layers of a run, what has been prepared from them, and the rules to apply.

    Attributes
    ----------
    strict
        Treat what was only assumed (a layer complete everywhere) as not known.
    streamed
        The parcels, which are too many to be a layer; facts may look at some of them.
    placeless
        Judge subjects without a usable geometry by the conditions that need none.
    looked_up
        The parcels that facts have looked at so far, by key.
    """

    book: Rulebook
    layers: Mapping[str, Layer]
    strict: bool = False
    streamed: SubjectSource | None = None
    rasters: Mapping[str, Raster] = field(default_factory=dict)
    placeless: bool = False
    looked_up: dict[object, Layer | None] = field(default_factory=dict)
    _prepared: dict[object, Any] = field(default_factory=dict)
    _evaluations: dict[str, Evaluation] = field(default_factory=dict)

    def under(self, book: Rulebook) -> Scene:
        """Return the same layers, with what has been prepared from them, under other parameters."""
        return replace(self, book=book, _evaluations={})

    def shared(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is built once for all subjects, from layers and what the key names alone."""
        if key not in self._prepared:
            self._prepared[key] = build()
        return self._prepared[key]

    def parcels(self, key: object, keep: Callable[[Features], Mask]) -> Layer | None:
        """Return the parcels for which ``keep`` holds, as a layer; one pass over them a key."""
        if key not in self.looked_up:
            self.looked_up[key] = self._gathered(keep)
        return self.looked_up[key]

    def _gathered(self, keep: Callable[[Features], Mask]) -> Layer | None:
        if self.streamed is None:
            layer = self.layers.get("parcels")
            return layer and replace(layer, features=layer.features.where(keep(layer.features)))
        source = self.streamed
        return Layer(
            features=source.select(keep),
            batch=source.empty(),
            output_crs=source.output_crs,
            source=source.source,
            datum_known=source.datum_known,
        )

    def evaluation_of(self, role: str) -> Evaluation:
        """Return the evaluation of a layer's own features."""
        if role not in self._evaluations:
            layer = self.layers[role]
            self._evaluations[role] = Evaluation(layer.features, self, layer.datum_known)
        return self._evaluations[role]


class Evaluation:
    """Facts and verdicts of some subjects; each is worked out once, when asked for.

    Parameters
    ----------
    features
        The subjects.
    scene
        Layers and rules.
    datum_known
        Whether the subjects' own coordinates can be trusted to be where they say.
    """

    def __init__(self, features: Features, scene: Scene, datum_known: bool = True) -> None:
        self.features = features
        self.scene = scene
        self.datum_known = datum_known
        self._facts: dict[str, Fact] = {}
        self._tested: dict[int, Tested] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._once: dict[object, Any] = {}

    def __len__(self) -> int:
        return len(self.features)

    # --- what questions may use ---------------------------------------------------------------

    def again(self, scene: Scene, stale: Collection[str]) -> Evaluation:
        """Return the same subjects under other parameters.

        Parameters
        ----------
        scene
            The same layers.
        stale
            Facts that the parameters may have changed; the others are kept.
        """
        other = Evaluation(self.features, scene, self.datum_known)
        other._once = self._once
        other._facts = {name: fact for name, fact in self._facts.items() if name not in stale}
        return other

    @property
    def rings(self) -> Outlines:
        """Outlines of the subjects."""
        return self.once("rings", lambda: outlines(self.features.geometry))

    @property
    def area_m2(self) -> Floats:
        """Area of each subject; NaN without a usable geometry."""
        return self.once("area", lambda: shapely.area(self.features.geometry))

    @property
    def bounds(self) -> Floats:
        """Bounds of each subject, a row each; NaN without a usable geometry."""
        return self.once("bounds", lambda: shapely.bounds(self.features.geometry))

    @property
    def centroids(self) -> Floats:
        """Centroid of each subject, a row each of x and y; NaN without a usable geometry."""

        def build() -> Floats:
            xy = np.full((len(self), 2), np.nan)
            middle = shapely.centroid(self.features.geometry[self.placed])
            xy[self.placed] = shapely.get_coordinates(middle)
            return xy

        return self.once("centroids", build)

    @property
    def placed(self) -> Mask:
        """Subjects with a usable geometry."""
        return self.once("placed", lambda: ~shapely.is_missing(self.features.geometry))

    def layer(self, role: str) -> Layer | None:
        """Return a layer, or None if it was not given."""
        return self.scene.layers.get(role)

    def parcels(self, key: object, keep: Callable[[Features], Mask]) -> Layer | None:
        """Return the parcels for which ``keep`` holds, as a layer; gathered once a key."""
        return self.scene.parcels(key, keep)

    def raster(self, role: str) -> Raster | None:
        """Return a raster, or None if it was not given."""
        return self.scene.rasters.get(role)

    def usable(self, layer: Layer | Raster) -> bool:
        """Return whether the layer's and the subjects' datums are known."""
        return layer.datum_known and self.datum_known

    def room_m(self, layer: Layer) -> Floats:
        """Return how far the layer is complete around each subject (−1: not even there)."""
        return self.once(("room", layer.features.role), lambda: self._room(layer))

    def _room(self, layer: Layer) -> Floats:
        if layer.coverage is None:
            return np.full(len(self), -1.0 if self.scene.strict else np.inf)
        edge = self.scene.shared(
            ("coverage", layer.features.role), lambda: _prepared_edge(layer.coverage)
        )
        covered = shapely.covers(layer.coverage, self.features.geometry)
        room = np.full(len(self), -1.0)
        room[covered] = shapely.distance(edge, self.features.geometry[covered])
        return room

    def shared(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is built once for all subjects."""
        return self.scene.shared(key, build)

    def once(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is worked out once for these subjects, from what the key names alone."""
        if key not in self._once:
            self._once[key] = build()
        return self._once[key]

    def fact(self, name: str) -> Fact:
        """Return a fact by its name in the catalogue, a field, or a parameter."""
        if name not in self._facts:
            self._facts[name] = self._ask(name)
        return self._facts[name]

    def _ask(self, name: str) -> Fact:
        if name in self.scene.book.values:
            value = self.scene.book.values[name]
            if value is None:
                return absent(len(self), f"parameter_missing:{name}")
            return Fact(np.full(len(self), float(value)))
        spec = self.scene.book.facts.get(name)
        if spec is None:
            text = roles()[self.features.role].fields[name].type == "text"
            return own_field(self, name, text=text)
        if spec.question == "formula":  # a formula resolves its own names
            return QUESTIONS[spec.question](self, **spec.arguments)
        arguments = {key: self._argument(value) for key, value in spec.arguments.items()}
        ask = QUESTIONS[spec.question]
        for key, value in arguments.items():
            if value is None and key in required_arguments(ask):
                reason = f"parameter_missing:{spec.arguments[key]}"
                return absent(len(self), reason, text=spec.unit is None)
        answer = ask(self, **arguments)
        if spec.unit is not None and answer.value.dtype == object:  # a part that is not there
            return replace(answer, value=np.full(len(self), np.nan))
        return answer

    def _argument(self, value: Any) -> Any:
        """Return a parameter's value where an argument names one."""
        if isinstance(value, str) and value in self.scene.book.values:
            return self.scene.book.values[value]
        return value

    def listed(self, parameter: str, fact: str) -> list[str] | None:
        """Return the words of a list as a fact spells them; None if they are to be supplied."""
        return self.scene.book.listed(parameter, self.features.role, fact)

    def verdict(self, rule: str) -> npt.NDArray[np.object_]:
        """Return the verdict words of a rule on the same subjects."""
        return verdicts.words(self.outcome(rule))

    def amount(self, rule: str) -> Fact:
        """Return what is owed under a rule, in yuan, where it is met; worked out exactly."""
        rows = np.flatnonzero(self.outcome(rule).state == Verdict.ELIGIBLE)
        value = np.full(len(self), np.nan)
        due = exact.owed(self, rule, rows).amount
        value[rows] = [np.nan if yuan is None else float(yuan) for yuan in due]
        return Fact(value)

    def concerns(self, rule: str, role: str) -> Fact:
        """Return whom of a layer's own features a rule is for, yes/no."""
        there = self.scene.evaluation_of(role)
        spec = self.scene.book.known[rule, role]
        if not self.scene.book.in_force(spec):
            return Fact(np.zeros(len(there)))
        outcome = there.applies(rule)
        state = outcome.state
        value = np.where(state == Verdict.ELIGIBLE, 1.0, np.nan)
        value[state == Verdict.INELIGIBLE] = 0.0

        def because(of: Verdict) -> dict[str, Mask]:
            return {code: mask & (state == of) for code, mask in outcome.reasons.items()}

        return Fact(value, missing=because(Verdict.UNKNOWN), review=because(Verdict.REVIEW))

    def words(self, role: str, field: str) -> Mapping[str, str]:
        """Return the vocabulary of a layer's field: code → Chinese label."""
        return roles()[role].fields[field].words

    # --- rules --------------------------------------------------------------------------------

    def outcome(self, rule: str) -> Outcome:
        """Return the verdicts of a rule with all reasons."""
        if rule not in self._outcomes:
            self._outcomes[rule] = self._judge(self.rule(rule))
        return self._outcomes[rule]

    def rule(self, rule: str) -> model.Rule:
        """Return a rule as it stands for these subjects."""
        return self.scene.book.known[rule, self.features.role]

    def applies(self, rule: str) -> Outcome:
        """Return whether a rule is for the subjects, whatever its test says."""
        spec = self.rule(rule)
        return self._node(spec, chosen(spec.applies, rule, self.scene.book.values))

    def concern(self, rule: str) -> Outcome:
        """Return whether a procedural rule concerns each subject: met, not met, or open.

        A subject without a geometry is open only where an area is asked for.
        """
        spec = self.scene.book.rules[rule, None]
        return self.once(
            ("concern", rule),
            lambda: self._node(spec, chosen(spec.concerns, rule, self.scene.book.values)),
        )

    def headline(self, rule: str) -> tuple[Floats, Floats]:
        """Return margin and accuracy of the rule: its headline condition's, NaN without one.

        Of several headline conditions (any of them suffices) the largest margin counts.
        """
        spec = self.rule(rule)
        margin, accuracy = np.full(len(self), np.nan), np.full(len(self), np.nan)
        for leaf in active_leaves(self.scene.book, spec):
            if model.condition_name(leaf) in spec.headlines:
                tested = self._leaf(spec, leaf)
                better = ~(tested.margin <= margin) & ~np.isnan(tested.margin)
                margin = np.where(better, tested.margin, margin)
                accuracy = np.where(better, tested.accuracy, accuracy)
        return margin, accuracy

    def _judge(self, rule: model.Rule) -> Outcome:
        if not self.scene.book.in_force(rule):  # one that a figure hangs on: it is for nobody
            return verdicts.outcome(len(self), Verdict.NOT_APPLICABLE)
        result = self._node(rule, chosen(rule.test, rule.id, self.scene.book.values))
        if rule.applies is not None:
            result = verdicts.gate(self.applies(rule.id), result)
        if self.scene.placeless or self.placed.all():
            return result
        lost = ~self.placed
        reasons = {code: mask & ~lost for code, mask in result.reasons.items()}
        state = np.where(lost, Verdict.UNKNOWN, result.state).astype(np.uint8)
        return Outcome(state, {**reasons, "geometry_unusable": lost})

    def _node(self, rule: model.Rule, node: model.Node | None) -> Outcome:
        match node:
            case None | model.Always():
                return verdicts.outcome(len(self), Verdict.ELIGIBLE)
            case model.AllOf():
                members = [self._node(rule, member) for member in node.all]
                exceptions = [
                    verdicts.none_of(self._node(rule, member), _name(member))
                    for member in node.unless
                ]
                return verdicts.all_of([*members, *exceptions])
            case model.AnyOf():
                return verdicts.any_of([self._node(rule, member) for member in node.any])
            case model.Meets():
                return self._meets(node)
            case model.Choose():  # already replaced by the reading that was chosen
                raise AssertionError(node)
            case _:
                return self._leaf(rule, node).outcome

    def _meets(self, node: model.Meets) -> Outcome:
        """Return whether another rule is met; not for the subject at all is not met either."""
        other = self.outcome(node.rule)
        open_ = (other.state == Verdict.REVIEW) | (other.state == Verdict.UNKNOWN)
        failed = other.state >= Verdict.INELIGIBLE
        if node.missing == "passes":
            state = np.where(failed, Verdict.INELIGIBLE, Verdict.ELIGIBLE)
            reasons = {}
        else:
            state = np.minimum(other.state, Verdict.INELIGIBLE)
            reasons = {code: mask & open_ for code, mask in other.reasons.items()}
        return Outcome(
            state.astype(np.uint8), {**reasons, f"not_met:{model.condition_name(node)}": failed}
        )

    def _leaf(self, rule: model.Rule, leaf: model.Leaf) -> Tested:
        if id(leaf) not in self._tested:
            self._tested[id(leaf)] = _TESTS[type(leaf)](self, rule, leaf)
        return self._tested[id(leaf)]

    # --- conditions ---------------------------------------------------------------------------

    def _compare(self, rule: model.Rule, leaf: model.Compare) -> Tested:
        fact = self.fact(leaf.fact)
        inclusive = True
        if leaf.limit_fact is not None:
            limits = self.fact(leaf.limit_fact)
            limit, limit_gaps = limits.value, limits.missing
        else:
            name = f"{rule.id}.{leaf.limit}"
            value = self.scene.book.values[name]
            limit = np.full(len(self), np.nan if value is None else float(value))
            no_limit = {f"parameter_missing:{name}": np.ones(len(self), bool)}
            limit_gaps = no_limit if value is None else {}
            inclusive = rule.parameters[leaf.limit or ""].bound == "inclusive"
        sign = -1.0 if leaf.side == "at_least" else 1.0
        slack = np.maximum(np.abs(limit), 1.0) * EXACT * (1 if inclusive else -1)

        def meets(value: Floats) -> Mask:
            return sign * (limit - value) >= -slack

        gaps = {**fact.missing, **limit_gaps, **_unexplained(fact, leaf.fact)}
        for bound in fact.bounds:
            swings = (meets(bound.limit) != meets(fact.value)) & ~fact.unknown
            gaps[bound.reason] = gaps.get(bound.reason, False) | swings
        margin = sign * (limit - fact.value)
        accuracy = np.broadcast_to(np.asarray(fact.accuracy, float), margin.shape)
        near = np.abs(margin) < accuracy
        looks = {**fact.review, "within_accuracy": fact.review.get("within_accuracy", False) | near}
        outcome = self._settle(leaf, meets(fact.value), gaps, looks)
        margin = np.where(np.isinf(margin), np.nan, margin)
        return Tested(outcome, margin, np.where(np.isnan(margin), np.nan, accuracy))

    def _is(self, rule: model.Rule, leaf: model.Is) -> Tested:
        fact = self.fact(leaf.fact)
        met = fact.value == float(leaf.is_)
        return self._unmeasured(self._settle(leaf, met, fact.missing, fact.review))

    def _inside(self, rule: model.Rule, leaf: model.Inside) -> Tested:
        depth = self.fact(leaf.inside)
        answer = depth.parts["inside"]
        outcome = self._settle(leaf, answer.value == 1.0, answer.missing, answer.review)
        accuracy = np.broadcast_to(np.asarray(depth.accuracy, float), depth.value.shape)
        return Tested(outcome, depth.value, np.where(np.isnan(depth.value), np.nan, accuracy))

    def _one_of(self, rule: model.Rule, leaf: model.OneOf) -> Tested:
        fact = self.fact(leaf.fact)
        name = f"{rule.id}.{leaf.one_of}"
        words = self.listed(name, leaf.fact)
        gaps = dict(fact.missing)
        if words is None:
            gaps[f"parameter_missing:{name}"] = np.ones(len(self), bool)
        allowed = words or []
        # whom a rule concerns is never decided by a word that nobody knows
        if leaf.strange == "unknown" or rule.subject is None:
            gaps |= self._strange_words(leaf.fact, allowed)
        met = self._among(leaf.fact, allowed)
        review = dict(fact.review)
        if fact.alternatives is not None:
            rows, values = fact.alternatives
            differs = np.zeros(len(self), bool)
            differs[rows[np.isin(values, allowed) != met[rows]]] = True
            review["straddles"] = differs
        return self._unmeasured(self._settle(leaf, met, gaps, review))

    def _strange_words(self, field: str, listed: Collection[str]) -> dict[str, Mask]:
        """Return the rows of a field whose word is neither of its vocabulary nor listed."""
        spec = roles()[self.features.role].fields.get(field)
        if spec is None or not spec.words:
            return {}
        strange = ~self._among(field, [*spec.words, *listed]) & ~self.fact(field).unknown
        return {f"value_unrecognised:{field}": strange}

    def _among(self, name: str, words: Collection[str]) -> Mask:
        """Return whose text is one of some words; each distinct text is looked at once."""
        value = self.fact(name).value
        if value.dtype != object:  # nothing is known of it
            return np.zeros(len(self), bool)
        texts = self.once(
            ("texts", name), lambda: pa.array(value, pa.string()).dictionary_encode("encode")
        )
        found = np.isin(texts.dictionary.to_numpy(zero_copy_only=False), list(words))
        return np.asarray(found[texts.indices.to_numpy()], bool)

    def _known(self, rule: model.Rule, leaf: model.Known) -> Tested:
        fact = self.fact(leaf.known)
        review = dict(fact.review)
        if fact.alternatives is not None:
            rows, values = fact.alternatives
            differs = np.zeros(len(self), bool)
            differs[rows[values != fact.value[rows]]] = True
            review["straddles"] = differs
        gaps = {**fact.missing, **_unexplained(fact, leaf.known)}
        return self._unmeasured(self._settle(leaf, ~is_empty(fact.value), gaps, review))

    def _each(self, rule: model.Rule, leaf: model.Each) -> Tested:
        through = self.fact(leaf.through)
        if through.members is None:
            reason = next(iter(through.missing), "layer_missing")
            return self._unmeasured(verdicts.outcome(len(self), Verdict.UNKNOWN, reason))
        members = self.scene.evaluation_of(leaf.each).outcome(rule.id)
        state = members.state[through.members.features]
        state = np.where(state == Verdict.NOT_APPLICABLE, Verdict.ELIGIBLE, state)
        doubtful = ~through.members.sure & (state != Verdict.ELIGIBLE)
        state = np.where(doubtful, Verdict.REVIEW, state).astype(np.uint8)
        bad = state != Verdict.ELIGIBLE
        reasons = {
            code: mask[through.members.features] & bad for code, mask in members.reasons.items()
        }
        reasons["within_accuracy"] = reasons.get("within_accuracy", False) | doubtful
        related = Outcome(state, reasons)
        return self._unmeasured(verdicts.worst_by(through.members.rows, related, len(self)))

    def _settle(
        self,
        leaf: model.Leaf,
        met: Mask,
        gaps: Mapping[str, Mask],
        looks: Mapping[str, Mask],
    ) -> Outcome:
        """Return the outcome: a gap outweighs a look, and a look outweighs met and not met.

        For a soft limit and for an open reading, not met is for a person to decide.
        """
        missing = getattr(leaf, "missing", "unknown")
        unknown = np.zeros(len(self), bool)
        for mask in gaps.values():
            unknown |= mask
        look = np.zeros(len(self), bool)
        for mask in looks.values():
            look |= mask & ~unknown
        failed = ~met & ~unknown & ~look
        otherwise = getattr(leaf, "otherwise", None)
        bad = Verdict.REVIEW if otherwise else Verdict.INELIGIBLE
        gap = {"unknown": Verdict.UNKNOWN, "review": Verdict.REVIEW, "passes": Verdict.ELIGIBLE}
        state = np.select(
            [unknown, look, failed], [gap[missing], Verdict.REVIEW, bad], Verdict.ELIGIBLE
        ).astype(np.uint8)
        reasons = {code: np.asarray(mask, bool) & ~unknown for code, mask in looks.items()}
        if missing != "passes":
            for code, mask in gaps.items():
                reasons[code] = reasons.get(code, False) | mask
        code = otherwise or f"not_met:{model.condition_name(leaf)}"
        reasons[code] = reasons.get(code, False) | failed
        return Outcome(state, reasons)

    def _unmeasured(self, outcome: Outcome) -> Tested:
        nothing = np.full(len(self), np.nan)
        return Tested(outcome, nothing, nothing)


_TESTS: dict[type, Callable[..., Tested]] = {
    model.Compare: Evaluation._compare,
    model.Is: Evaluation._is,
    model.Inside: Evaluation._inside,
    model.OneOf: Evaluation._one_of,
    model.Known: Evaluation._known,
    model.Each: Evaluation._each,
}


def chosen(node: model.Node | None, rule: str, values: Mapping[str, Any]) -> model.Node | None:
    """Return the tree with every choice replaced by the reading that its parameter picks."""
    match node:
        case model.Choose():
            return chosen(node.cases[values[f"{rule}.{node.choose}"]], rule, values)
        case model.AllOf():
            members = [chosen(member, rule, values) for member in node.all]
            exceptions = [chosen(member, rule, values) for member in node.unless]
            return model.AllOf.model_construct(all=members, unless=exceptions)
        case model.AnyOf():
            return model.AnyOf.model_construct(
                any=[chosen(member, rule, values) for member in node.any]
            )
        case _:
            return node


def active_leaves(book: Rulebook, rule: model.Rule) -> list[model.Leaf]:
    """Return the conditions of a rule in the reading that its parameters choose."""
    return [
        leaf
        for root in (rule.applies, rule.test, rule.concerns)
        for leaf in model.leaves(chosen(root, rule.id, book.values))
    ]


def _unexplained(fact: Fact, name: str) -> dict[str, Mask]:
    """Return rows that have no value for no stated reason, such as a share of nothing."""
    rows = is_empty(fact.value) & ~fact.unknown
    return {f"attribute_missing:{name}": rows} if rows.any() else {}


def _name(node: model.Node) -> str:
    named = [*model.leaves(node), *model.presupposed(node)]
    return next((model.condition_name(leaf) for leaf in named), "exception")


def _prepared_edge(area: Any) -> Any:
    shapely.prepare(area)
    edge = shapely.boundary(area)
    shapely.prepare(edge)
    return edge
