"""How often the settled cause of a public thread is found from the text alone."""

import pytest
from tests.diagnosis.threads import ThreadCase, thread_cases

from postroom.diagnosis.catalogue import catalogue

CASES = thread_cases()


def share(cases: list[ThreadCase], found: list[bool]) -> float:
    return 100 * sum(found) / len(cases)


def test_every_case_names_a_cause_of_the_catalogue_and_each_text_is_there_once() -> None:
    assert {case.cause for case in CASES} <= set(catalogue().causes)
    assert len({(case.text, case.client, *case.config.values()) for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("looked_at", "least"), [(True, 94), (False, 88)])
def test_the_settled_cause_is_found(looked_at: bool, least: float) -> None:
    cases = [case for case in CASES if case.may_be_looked_at is looked_at]
    assert share(cases, [case.finding().cause == case.cause for case in cases]) >= least


def test_the_retry_class_is_that_of_the_thread() -> None:
    assert share(list(CASES), [str(case.finding().retry) == case.retry for case in CASES]) >= 95
