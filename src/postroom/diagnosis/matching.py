"""Does a rule fit the evidence?"""

from collections.abc import Iterable

from .catalogue import Rule
from .evidence import Evidence


def fitting_rule(rules: Iterable[Rule], evidence: Evidence) -> Rule | None:
    """The first rule whose conditions are all met."""
    return next((rule for rule in rules if fits(rule, evidence)), None)


def fits(rule: Rule, evidence: Evidence) -> bool:
    """All conditions of the rule are met; the cheap ones are looked at first."""
    return (
        _stage_fits(rule, evidence)
        and _symptoms_fit(rule, evidence)
        and _settings_fit(rule, evidence)
        and _reply_fits(rule, evidence)
        and _words_fit(rule, evidence)
    )


def _stage_fits(rule: Rule, evidence: Evidence) -> bool:
    if rule.stage and evidence.stage not in rule.stage:
        return False
    return not rule.at or evidence.stage is None or evidence.stage in rule.at


def _symptoms_fit(rule: Rule, evidence: Evidence) -> bool:
    if rule.symptom and not rule.symptom & evidence.symptoms:
        return False
    return rule.symptoms <= evidence.symptoms and not rule.no_symptom & evidence.symptoms


def _settings_fit(rule: Rule, evidence: Evidence) -> bool:
    known = evidence.known
    if rule.provider and evidence.provider not in rule.provider:
        return False
    if rule.security and known.security not in rule.security:
        return False
    if rule.port and known.port not in rule.port:
        return False
    return rule.username is None or known.username_given is rule.username


def _reply_fits(rule: Rule, evidence: Evidence) -> bool:
    if rule.code and not any(str(c) in rule.code or f"{c // 100}xx" in rule.code for c in evidence.codes):
        return False
    return not rule.enhanced or any(e in rule.enhanced or f"x{e[1:]}" in rule.enhanced for e in evidence.enhanced)


def _words_fit(rule: Rule, evidence: Evidence) -> bool:
    return (
        (not rule.host or rule.host.are_in(evidence.known.host.lower()))
        and (not rule.client or rule.client.are_in(evidence.client))
        and (_text_fits(rule, evidence) or bool(rule.or_enhanced & evidence.enhanced))
    )


def _text_fits(rule: Rule, evidence: Evidence) -> bool:
    return (not rule.text or rule.text.are_in(evidence.text)) and not rule.without.are_in(evidence.text)
