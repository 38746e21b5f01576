"""Make this checkout's `sisf` importable, and a command, in the environment that runs this file.

It does what an editable installation does, but needs neither a build backend nor the network. Folders that are named
as arguments are importable then too: an environment that adds a few packages to another one need not install it again.
"""

import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
COMMAND = """#!{python}
import sys

from sisf.__main__ import main

if __name__ == "__main__":  # processes that it spawns import this file again
    sys.exit(main())
"""


def main() -> None:
    if sys.prefix == sys.base_prefix:
        sys.exit("link_package.py: run it with the python of a virtual environment")
    folders = [SOURCE, *(Path(argument).resolve() for argument in sys.argv[1:])]
    lines = "".join(f"{folder}\n" for folder in folders)
    Path(sysconfig.get_path("purelib"), "sisf.pth").write_text(lines, encoding="utf-8")
    command = Path(sysconfig.get_path("scripts"), "sisf")
    command.write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
    command.chmod(0o755)


if __name__ == "__main__":
    main()
