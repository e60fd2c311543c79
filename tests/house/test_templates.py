"""A template is read line by line, so that its lines are short enough to be read."""

from tests.house.sources import PACKAGE, shown

LONGEST = 200


def test_no_line_of_a_template_is_longer_than_a_person_reads() -> None:
    found = [
        f"{shown(path)}:{number}: {len(line)}"
        for path in sorted(PACKAGE.rglob("*.html"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST
    ]
    assert found == []
