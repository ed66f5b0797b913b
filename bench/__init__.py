"""How fast Denizen is, each figure beside a limit of the same machine in the same run: `python -m bench`."""
