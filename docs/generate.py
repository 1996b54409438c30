"""Write the pages that come from the code or from results, or check that they are what these say."""

import argparse
import sys
from pathlib import Path

from bench.page import pages as performance_pages
from nameplate.coverage import coverage_page
from nameplate.reference import errors_page, operations_page, settings_page
from nameplate.rest.reference import rest_page
from tests.crash.page import pages as crash_pages

PAGES = {
    "operations.md": operations_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
    "coverage.md": coverage_page,
    "rest.md": rest_page,
}


def main() -> int:
    """Return 1 if a page is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    pages = {name: write() for name, write in PAGES.items()} | performance_pages() | crash_pages()
    for name, page in pages.items():
        path = Path(__file__).with_name(name)
        if check and (not path.exists() or path.read_text() != page):
            stale.append(name)
        elif not check:
            path.write_text(page)
    if stale:
        sys.stderr.write(f"Stale, run `make docs`: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
