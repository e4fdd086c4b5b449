"""Runs every benchmark and puts its tables into README.md in place of the old ones."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
SCRIPTS = (
    "report_size.py",
    "report_open.py",
    "peers.py",
    "startup.py",
    "demo_time.py",
    "capture.py",
    "translation_attention.py",
    "image_attention.py",
    "keyword_attention.py",
)
IN_BROWSER = ("report_open.py", "peers.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", help="the browser to use instead of Playwright's own")
    parser.add_argument(
        "scripts",
        nargs="*",
        default=SCRIPTS,
        help="only these, such as peers.py, or 'x.py --small' with options of its own",
    )
    arguments = parser.parse_args()
    for script in arguments.scripts:
        print(f"{script} …", file=sys.stderr, flush=True)
        name, *options = shlex.split(script)
        command = [sys.executable, HERE / name, *options]
        if arguments.chromium and name in IN_BROWSER:
            command += ["--chromium", arguments.chromium]
        run = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8")
        if run.returncode:
            print(f"{script} failed; its old tables stay.", file=sys.stderr)
        else:
            text = README.read_text(encoding="utf-8")
            README.write_text(with_section(text, run.stdout), encoding="utf-8", newline="\n")


def with_section(text: str, section: str) -> str:
    """`text` with the section of the same heading replaced, or with a new one at the end."""
    introduction, *sections = f"\n{text}".split("\n## ")
    titled = {part.partition("\n")[0]: part for part in [*sections, section.removeprefix("## ")]}
    return "\n\n## ".join(part.strip() for part in (introduction, *titled.values())) + "\n"


if __name__ == "__main__":
    main()
