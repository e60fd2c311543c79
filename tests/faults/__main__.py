"""`make faults`: a line for every server at fault, then how many causes were named. Names given are the only cases."""

import asyncio
import logging
import sys

from .case import cases
from .judging import judged, table


def main() -> int:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each connection that ends within TLS
    wanted = set(sys.argv[1:])
    verdicts = asyncio.run(judged([case for case in cases() if not wanted or case.name in wanted]))
    print(table(verdicts))
    return 0 if all(verdict.is_right for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
