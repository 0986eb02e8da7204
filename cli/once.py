"""A command whose options of one value may be given once: of two the first would be dropped without a word."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Once(TyperCommand):
    """Refuses an option that is given twice and takes one value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does, once no option is given twice.

        Raises:
            InputError: Names the option.
        """
        from prom3e_index.errors import InputError

        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for option in order:
            times, flag = order.count(option), getattr(option, "is_flag", False)
            if times > 1 and not (option.multiple or flag):
                raise InputError(
                    f"{option.opts[0]} is given {times} times and takes one value; give one."
                )
        return super().parse_args(ctx, args)
