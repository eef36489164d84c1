"""Print the stack of an environment of samconfig.toml: `python -m tools.stack_name staging`."""

import argparse

from scones_operator.aws.samconfig import list_environments, read_stack_name


def main() -> None:
    """Print the name."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack_name", description=__doc__)
    parser.add_argument("environment", choices=list_environments())
    print(read_stack_name(parser.parse_args().environment))


if __name__ == "__main__":
    main()
