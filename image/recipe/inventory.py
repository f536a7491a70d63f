"""What is in an image and under which licence: an SBOM (CycloneDX 1.5, JSON) of Debian's packages and Python's.

Reads a root folder, writes into it. Licence texts themselves stay in /usr/share/doc/*/copyright and *.dist-info.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from email.parser import Parser
from pathlib import Path

FORMAT = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${db:Status-Abbrev}\n"
LICENCE_LINE = re.compile(r"^License:\s*(\S[^\n]*)", re.MULTILINE)


def debian(root: Path) -> list[dict[str, object]]:
    """A component for each installed package."""
    rows = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={FORMAT}"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.splitlines()  # fmt: skip
    components = []
    for row in sorted(rows):
        name, version, architecture, source, status = row.split("\t")
        if not status.startswith("ii"):
            continue
        components.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}",
                "licenses": _licences(_copyright(root, name)),
                "properties": [{"name": "debian:source", "value": source}],
            }
        )
    return components


def _copyright(root: Path, package: str) -> str:
    path = root / "usr/share/doc" / package / "copyright"
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _licences(text: str) -> list[dict[str, object]]:
    """The short names in a machine-readable copyright file; a link to the text where it is not one."""
    found = sorted({line.strip() for line in LICENCE_LINE.findall(text)})
    if not found:
        return [{"license": {"name": "see /usr/share/doc/*/copyright" if text else "unknown"}}]
    return [{"license": {"name": name}} for name in found]


def python(root: Path) -> list[dict[str, object]]:
    """A component for each Python package of the node's environment."""
    components = []
    for path in sorted(root.glob("opt/anpr-node/.venv/lib/python3*/site-packages/*.dist-info/METADATA")):
        headers = Parser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
        name, version = headers["Name"].lower(), headers["Version"]
        classifiers = [line.rsplit(" :: ", 1)[-1] for line in headers.get_all("Classifier", []) if "License ::" in line]
        licence = headers["License-Expression"] or " / ".join(classifiers) or headers["License"] or "unknown"
        components.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "licenses": [{"license": {"name": licence.splitlines()[0]}}],
            }
        )
    return components


def write(root: Path, image_id: str) -> None:
    """Put the SBOM and a list of licences beside the models."""
    folder = root / "usr/share/anpr-node"
    folder.mkdir(parents=True, exist_ok=True)
    components = debian(root) + python(root)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image_id)}",
        "version": 1,
        "metadata": {"component": {"type": "operating-system", "name": "anpr-node", "version": image_id}},
        "components": components,
    }
    (folder / "sbom.cdx.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    lines = [f"{c['name']} {c['version']}: " + ", ".join(each["license"]["name"] for each in c["licenses"])  # type: ignore[index,attr-defined]
             for c in components]  # fmt: skip
    (folder / "licences.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
