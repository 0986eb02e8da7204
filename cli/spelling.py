"""How a command line may be spelled: older names of options still work, and no option's value is dropped unsaid."""

from __future__ import annotations

from copy import copy
from typing import Any

from typer.core import TyperCommand

OLD = (
    ("--output", "--out"),
    ("--table-format", "--format"),
    ("--species", "--label"),
    ("--sample", "--queries"),
)
"""Options and the names they had. A command that has the first takes the second too, unless another has that name."""


class Command(TyperCommand):
    """Takes options by their older names, which its help leaves out, and each option of one value once."""

    def make_parser(self, ctx: Any) -> Any:
        """A parser that knows the older names too."""
        parser = super().make_parser(ctx)
        options = self.get_params(ctx)
        known = {name for o in options for name in o.opts}
        for new, old in OLD:
            for option in options:
                if new in option.opts and old not in known:
                    older = copy(option)
                    older.opts, older.secondary_opts = [old], []
                    older.add_to_parser(parser, ctx)
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does, once no option of one value is given twice: of two the first would be dropped.

        Raises:
            InputError: Names the option.
        """
        from prom3e_index.errors import InputError

        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        names = [option.name for option in order]
        for option in self.get_params(ctx):
            times, flag = names.count(option.name), getattr(option, "is_flag", False)
            multiple = getattr(option, "multiple", False)
            if times > 1 and not (multiple or flag or ctx.resilient_parsing):
                raise InputError(
                    f"{option.opts[0]} is given {times} times and takes one value; give one."
                )
        return super().parse_args(ctx, args)
