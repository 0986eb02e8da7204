"""Exact searches that a build makes of its own index, on the model's card where it is on one."""

from __future__ import annotations

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import Model


def on_card(bundle: BundleFolder, model: Model) -> BundleFolder:
    """The same generation of an index, whose exact searches run on the model's card; itself where there is none."""
    if not is_card(model.device):
        return bundle
    return BundleFolder(bundle.path, bundle.manifest, gpu=model.device)
