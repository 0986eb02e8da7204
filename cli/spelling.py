"""How a command line may be spelled: older names of options still work, and no option's value is dropped unsaid."""

from __future__ import annotations

from copy import copy
from typing import Any

from typer.core import TyperCommand

from prom3e_index.cli.meant import extra_meant, option_meant

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
            InputError: Names the option; or what is no option or one word too many, and what may be meant.
        """
        from prom3e_index.errors import InputError

        options = self.get_params(ctx)
        try:
            _, extra, order = self.make_parser(ctx).parse_args(args=list(args))
        except Exception as e:
            typed = getattr(e, "option_name", None)
            if typed is None or type(e).__name__ != "NoSuchOption":
                raise
            known = {name for o in options for name in o.opts}
            meant = option_meant(str(typed), known)
            if not meant:
                raise
            raise InputError(
                f"No such option: {typed}{meant} See {ctx.command_path} --help."
            ) from e
        if extra and not ctx.resilient_parsing:
            meant = extra_meant(args, extra, options)
            if meant:
                words = " ".join(extra)
                raise InputError(
                    f"{words!r:.80} belongs to no option; {meant} See {ctx.command_path} --help."
                )
        names = [option.name for option in order]
        for option in options:
            times, flag = names.count(option.name), getattr(option, "is_flag", False)
            multiple = getattr(option, "multiple", False)
            if times > 1 and not (multiple or flag or ctx.resilient_parsing):
                raise InputError(
                    f"{option.opts[0]} is given {times} times and takes one value; give one."
                )
        return super().parse_args(ctx, args)
