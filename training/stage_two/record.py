"""The run's CSV files, and TensorBoard's when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.training import checkpoint

LOSSES = ("loss", "reconstruction", "kl", "mixed", "contrast")
LOG_COLUMNS = ("step", "epoch", "lr", *LOSSES, "rows_per_s")
RECALL_COLUMNS = ("step", "given", "target", "encoder", "reconstructed", "hybrid")


class Record:
    """Writes `log.csv` and `validation.csv` of a run.

    Args:
        run: Folder of the run.
        at: Step the run goes on at; later lines of an interrupted one are dropped.
        tensorboard: Write event files too.

    Raises:
        InputError: TensorBoard is asked for and not installed.
    """

    def __init__(self, run: Path, at: int, tensorboard: bool) -> None:
        self._log = checkpoint.Log(run / "log.csv", LOG_COLUMNS, at)
        self._recall = checkpoint.Log(run / "validation.csv", RECALL_COLUMNS, at)
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as e:
                raise InputError(
                    "--tensorboard needs the package tensorboard; `pip install tensorboard`."
                ) from e
            self._board = SummaryWriter(str(run), purge_step=at)

    def line(
        self, at: int, per_epoch: int, rate: float, means: dict[str, float], speed: float
    ) -> None:
        """Mean losses since the line before, rate, and rows per second."""
        values = {k: f"{v:.6g}" for k, v in means.items()}
        epoch = f"{at / per_epoch:.3f}"
        self._log.write(step=at, epoch=epoch, lr=f"{rate:.4g}", rows_per_s=f"{speed:.0f}", **values)
        self._scalars(at, {**means, "lr": rate})

    def recall(self, at: int, records: list[dict[str, Any]]) -> None:
        """What `choose_use.validate` gave."""
        for record in records:
            self._recall.write(step=at, **{k: _short(v) for k, v in record.items()})
        self._scalars(at, {f"recall/{r['given']}-{r['target']}": r["hybrid"] for r in records})

    def _scalars(self, at: int, values: dict[str, float]) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, at)

    def close(self) -> None:
        """End the event files."""
        if self._board is not None:
            self._board.close()


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
