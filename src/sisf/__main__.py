"""`python -m sisf` is the command `sisf`."""

from sisf.cli.main import main

if __name__ == "__main__":
    main()
