"""What a card does in a build, done by the same code on the processor: the same rows, biases, answers."""

import shutil
import sys

import numpy as np
import pytest

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.cli.app import main
from prom3e_index.indexer import complete, on_card, own_answers, rewrite
from prom3e_index.indexer.build import build
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.new_array import RowFile
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import gallery_halves, infer
from prom3e_index.search.hubness import METHODS, Bank
from prom3e_index.search.score import gallery

NAMES = ("image", "sat", "loc", "env", "text", "audio")


@pytest.fixture(scope="module")
def model():
    return Model.open("mini")


def halves(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 512)).astype(np.float32)
    present = rng.random((n, 6)) < 0.6
    present[np.arange(n), rng.integers(0, 6, n)] = True
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    return np.where(present[:, :, None], x, 0).astype(np.float16), present


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("hidden", "decode"), [("mean", "mean"), ("both", "expectation")])
def test_gallery_rows_in_half_precision_are_those_of_single(model, epsilon, hidden, decode):
    other = Model.open("mini")
    other.hidden, other.decode = hidden, decode
    for n in (1, 7):
        x, present = halves(n)
        stored = [x[:, i] for i in range(6)]
        made, sigma = gallery_halves(other, stored, present, [epsilon] * 6)

        told = infer(other, x.astype(np.float32), present, NAMES)
        assert np.allclose(sigma, told.sigma_l1, rtol=1e-5)
        for i in range(6):
            args = (x[:, i].astype(np.float32), present[:, i])
            want = gallery(*args, told.reconstructed[:, i], told.hidden, epsilon)
            assert made[i].dtype == np.float16 and made[i].shape == want.shape
            assert np.abs(made[i].astype(np.float32) - want).max() <= 2.0**-11 * np.abs(want).max()


def test_a_row_alone_is_completed_as_among_others_to_the_bit_and_its_bias_but_for_the_last(model):
    """numpy's products sum in an order that depends, on some processors, on where in a block a row stands."""
    x, present = halves(100, seed=4)
    bank = Bank(model, "softmax30")

    def made(rows):
        stored = [np.ascontiguousarray(x[rows, i]) for i in range(6)]
        blocks, sigma = complete.completed(model, stored, present[rows], bank)
        vectors = np.stack(blocks)
        return vectors[..., :-6], vectors[..., -6:], sigma

    whole, biases, sigma = made(slice(0, 100))
    equal = []
    for size in (1, 2, complete.FEWEST - 1, complete.FEWEST, complete.FEWEST + 1):
        for at in range(0, 100 - size, 13):
            some, of_some, of_them = made(slice(at, at + size))
            own = slice(at, at + size)
            assert np.array_equal(some, whole[:, own])
            assert np.array_equal(of_them, sigma[own])
            steps = np.abs(np.spacing(biases[:, own])).astype(np.float32)
            apart = np.abs(of_some.astype(np.float32) - biases[:, own].astype(np.float32))
            assert (apart <= steps).all()
            equal += [apart.ravel() == 0]
    assert np.concatenate(equal).mean() > 0.99


@pytest.mark.parametrize("method", sorted(METHODS))
def test_biases_by_torch_are_those_by_numpy(model, method, monkeypatch):
    monkeypatch.setattr("prom3e_index.search.hubness._CARD_ROWS", 16)
    bank = Bank(model, method)
    x, present = halves(33, seed=1)
    made, _ = gallery_halves(model, [x[:, i] for i in range(6)], present, [0.0] * 6)
    for target in ("loc", "text"):
        rows = made[NAMES.index(target)]
        for some in (rows[:0], rows[:1], rows[:16], rows[:17], rows):
            one, other = bank.bias(some, target), bank.bias_on("cpu", some, target)
            assert one.shape == other.shape == (len(some), 6)
            assert np.abs(one.astype(np.float32) - other.astype(np.float32)).max(initial=0) < 2e-4
        few = bank.bias_on("cpu", rows, target, asking=[0])
        assert not few[:, 1:].any() and np.array_equal(few[:, 0], other[:, 0])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """An index as the processor makes it, and as a card's code does, in blocks of 64 rows."""
    folder = tmp_path_factory.mktemp("both")
    x, present = halves(300, seed=2)
    present[:, [1, 3, 5]] = False  # three modalities are many visible sets fewer
    present[:, 2] = True
    x[~present] = 0
    np.savez(
        folder / "e.npz",
        embeddings=x,
        present=present,
        species=[f"Aa b{i % 9}" for i in range(300)],
    )
    out = {}
    for name in ("processor", "card"):
        with pytest.MonkeyPatch.context() as patch:
            if name == "card":
                patch.setattr(complete, "is_card", lambda device: True)
                patch.setattr(complete, "CARD_BLOCK", 64)
                patch.setattr(on_card, "is_card", lambda device: True)
                patch.setattr(
                    on_card,
                    "BundleFolder",
                    lambda path, manifest, gpu: BundleFolder(path, manifest),
                )
                patch.setattr("prom3e_index.indexer.own_search._CARD_QUERIES", 32)
            path = folder / f"{name}.p3i"
            out[name] = (
                path,
                build(
                    BuildConfig(table=str(folder / "e.npz"), out=path, model="mini", hubs="csls")
                ),
            )
    return out


def test_an_index_is_the_same_by_either_code(both):
    (one, _), (other, _) = both["processor"], both["card"]
    for m in NAMES:
        a, b = (np.load(p / "embeddings" / f"{m}.npy") for p in (one, other))
        assert np.array_equal(a, b)
        a, b = (np.load(p / "vectors" / f"{m}.npy").astype(np.float32) for p in (one, other))
        assert np.abs(a - b).max() < 3e-4
        assert (a == b).mean() > 0.99


def test_certificate_and_calibration_are_the_same_by_either_code(both):
    (_, made), (_, by_card) = both["processor"], both["card"]
    for target in NAMES:
        for key in ("recall@1", "recall@10", "recall@100"):
            assert (
                made["certificate"]["targets"][target][key]
                == by_card["certificate"]["targets"][target][key]
            )
    assert made["confidence"] == by_card["confidence"]


def test_a_card_is_asked_exactly(both, monkeypatch):
    path, manifest = both["processor"]
    model, asked = Model.open("mini"), []
    model.device = "cuda"

    class Card(BundleFolder):
        def __init__(self, path, manifest, gpu):
            super().__init__(path, manifest)
            asked.append(gpu)

        def nearest(self, target, queries, k, rows=None, *, exactly=False):
            asked.append(exactly)
            return super().nearest(target, queries, k, rows, exactly=exactly)

    monkeypatch.setattr(on_card, "BundleFolder", Card)
    bundle = BundleFolder(path, manifest)
    card = on_card.on_card(bundle, model)
    assert card is not bundle and asked == ["cuda"]
    search = own_answers.OwnSearch(bundle, own_answers.Kin(bundle), card)
    vectors = np.asarray(bundle.vectors("text")[:40], np.float32)
    rows = np.arange(40)
    here = own_answers.OwnSearch(bundle, own_answers.Kin(bundle)).first("text", vectors, rows, None)
    there = search.first("text", vectors, rows, None)
    assert np.allclose(here[0], there[0], atol=2e-6) and np.array_equal(here[1], there[1])
    assert len(asked) > 1 and all(asked[1:])
    model.device = "cpu"
    assert on_card.on_card(bundle, model) is bundle


@pytest.mark.parametrize("n", [0, 1, 5])
def test_rows_are_written_where_they_belong_whatever_the_order(tmp_path, n):
    x = np.arange(4.0 * n).reshape(n, 4).astype(np.float16)
    with RowFile(tmp_path / "x.npy", (n, 4)) as file:
        for at in reversed(range(0, n, 2)):
            file.write(at, x[at : at + 2])
        file.settle()
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)


def vectors_of(index):
    return {p.name: np.load(p).astype(np.float32) for p in sorted(index.glob("**/vectors/*.npy"))}


def harmed(index, out):
    """A copy of an index whose vectors of two targets are damaged."""
    shutil.copytree(index, out)
    for name in ("loc.npy", "text.npy"):
        path = out / "vectors" / name
        data = bytearray(path.read_bytes())
        data[-1] ^= 255
        path.write_bytes(data)
    return out


def quiet(stage, done, total):
    pass


def test_damaged_vectors_are_made_again_by_what_a_build_makes_them_by_to_the_byte(both, tmp_path):
    index, _ = both["processor"]
    made = {p.name: p.read_bytes() for p in (index / "vectors").glob("*.npy")}
    again = harmed(index, tmp_path / "again.p3i")
    compact(again, quiet, action="rebuild")
    assert {p.name: p.read_bytes() for p in again.glob("**/vectors/*.npy")} == made and len(
        made
    ) == 6


@pytest.mark.parametrize("command", ["rebuild", "compact"])
def test_an_index_is_written_anew_on_the_device_that_is_asked_for(
    both, tmp_path, monkeypatch, command
):
    """`cpu:0` is a processor under another name, here taken for a card."""
    index, _ = both["processor"]
    again, seen = harmed(index, tmp_path / "again.p3i"), {}

    def note(module, name, device):
        function = getattr(module, name)

        def noted(*arguments, **more):
            seen.setdefault(name, set()).add(device(*arguments, **more))
            return function(*arguments, **more)

        monkeypatch.setattr(module, name, noted)

    note(complete, "_on_card", lambda model, *rest: model.device)
    note(rewrite, "write_indexes", lambda *arguments: arguments[4])
    note(rewrite, "Bank", lambda model, method: model.device)
    note(own_answers, "infer", lambda model, *rest, **more: model.device)
    monkeypatch.setattr(complete, "is_card", lambda device: device == "cpu:0")
    monkeypatch.setattr(
        sys, "argv", ["prom3e-index", command, "--index", str(again), "--device", "cpu:0"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert seen.pop("infer", {"cpu:0"}) == {"cpu:0"}
    assert seen == dict.fromkeys(("_on_card", "write_indexes", "Bank"), {"cpu:0"})
    before, after = vectors_of(index), vectors_of(again)
    assert before.keys() == after.keys()
    for name, rows in before.items():
        assert np.abs(rows - after[name]).max() < 3e-4 and (rows == after[name]).mean() > 0.99
