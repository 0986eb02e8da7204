"""Training says what does not fit in memory, and what does."""

from __future__ import annotations

import pytest
from embedding_sets import NAMES, TINY, made

from prom3e_index.errors import InputError
from prom3e_index.training.stage_two.loop import train_mvae


def test_out_of_memory_names_the_batch_that_fits(tmp_path, monkeypatch):
    from prom3e_index.training.stage_two.step import Step

    forward = Step.forward

    def limited(self, batch):
        if len(batch.own) > 9:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )
        return forward(self, batch)

    monkeypatch.setattr(Step, "forward", limited)
    with pytest.raises(
        InputError, match="16 rows needs more memory than there is; 8 rows fit: --batch-size 8"
    ):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")
