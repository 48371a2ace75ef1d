"""Makes one self-contained document of an `openapi.yaml` and of what it takes from `common.yaml`.

A document refers to what the documents share by a relative reference, as CAMARA's own do:
`$ref: "../common.yaml#/components/responses/Generic401"`. In the bundled document each common component that is used,
and each that those use, is a component of the document, under the same name. The bundle is made of the text, so that it
reads as it was written. It relies on the layout of our documents: two spaces a level, references in double quotes, and
`components` as the last key.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

FILE = "openapi.yaml"
"""A document, in its API's package."""
COMMON = "common.yaml"
_COMMON_PACKAGE = "simwarden.northbound"
_START = "\ncomponents:\n"
_SECTION = re.compile(r"  (\w+):")
_ENTRY = re.compile(r"    ([\w-]+):")
_SHARED = re.compile(r'\$ref: "[./\w]*/common\.yaml(#/components/(\w+)/([\w-]+))"')
_OWN = re.compile(r'\$ref: "#/components/(\w+)/([\w-]+)"')

Components = dict[str, dict[str, str]]
"""Section (`schemas`, `responses`, ...) to name to the lines that begin with the name."""


class BundleError(Exception):
    """A document and `common.yaml` do not fit together."""


def bundled(package: str) -> str:
    """The document of the API whose package this is, complete in itself. Raises BundleError."""
    return bundle((resources.files(package) / FILE).read_text(encoding="utf-8"), _common())


def bundle(text: str, common: Components) -> str:
    """The document `text` with the components that it takes from `common`.

    Raises BundleError: a component is not in `common`, or bears the name of another one in the document.
    """
    head, start, _ = text.partition(_START)
    if not start:
        raise BundleError("The document has no components")
    found = components(text)
    for section, name in sorted(_used(text, common)):
        entry = common[section][name]
        if _without_file(found.get(section, {}).get(name, entry)) not in (entry, _alias(section, name)):
            raise BundleError(f"The document has a component {section}/{name} of its own, and uses the common one")
        found.setdefault(section, {})[name] = entry
    sections = (f"  {section}:\n{''.join(entries.values())}" for section, entries in found.items())
    return _without_file(f"{head}{start}{''.join(sections)}")


def components(text: str) -> Components:
    """The components of a document, as they are written. Raises BundleError."""
    found: Components = {}
    entries: dict[str, str] = {}
    name = ""
    for line in text.partition(_START)[2].splitlines(keepends=True):
        if section := _SECTION.match(line):
            entries, name = found.setdefault(section[1], {}), ""
        elif entry := _ENTRY.match(line):
            name = entry[1]
            entries[name] = line
        elif name and (line.startswith("     ") or not line.strip()):
            entries[name] += line
        else:
            raise BundleError(f"Neither a section nor a part of a component: {line.strip()}")
    return found


@cache
def _common() -> Components:
    return components((resources.files(_COMMON_PACKAGE) / COMMON).read_text(encoding="utf-8"))


def _used(text: str, common: Components) -> set[tuple[str, str]]:
    """Section and name of what the document takes from `common`, and of what that refers to in its turn."""
    waiting = [(match[2], match[3]) for match in _SHARED.finditer(text)]
    found: set[tuple[str, str]] = set()
    while waiting:
        section, name = waiting.pop()
        if (section, name) not in found:
            found.add((section, name))
            if name not in common.get(section, {}):
                raise BundleError(f"There is no {section}/{name} in {COMMON}")
            waiting += [(match[1], match[2]) for match in _OWN.finditer(common[section][name])]
    return found


def _without_file(text: str) -> str:
    return _SHARED.sub(r'$ref: "\1"', text)


def _alias(section: str, name: str) -> str:
    """A component that is nothing but a reference to the common one of this name."""
    return f'    {name}:\n      $ref: "#/components/{section}/{name}"\n'
