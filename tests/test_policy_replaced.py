"""No way back shows a place that was generalised once, and no policy takes the place of another unasked or unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policies import RULE, birds, built, quiet, write_policy, write_rows

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.indexer.restore import restore
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.run import Bundle

WEAKER = '[[rule]]\ntaxon = "Falco rusticolus"\nlevel = "100m"\n'


def changed(index: Path, rows, policy=None, update=False, **options):
    table = write_rows(index.with_suffix(".more.csv"), rows)
    read = None if policy is None else read_policy(write_policy(index.parent, policy, "more.toml"))
    config = BuildConfig(table=str(table), out=index, workers=1, policy=read, **options)
    return add(index, config, quiet, update=update)


def levels(index: Path) -> dict[str, str | None]:
    with Bundle.open(index) as bundle:
        level = "place_level" if "place_level" in bundle.columns else "NULL"
        return dict(bundle.sql(f"SELECT id, {level} FROM observations ORDER BY id"))


def policy_of(index: Path) -> str | None:
    noted = json.loads((index / "manifest.json").read_text()).get("policy")
    return None if noted is None else noted["sha256"]


def falcon(key, **more):
    return {"id": key, "species": "Falco rusticolus", "latitude": 1.23456, "longitude": 2.34567, **more}  # fmt: skip


def test_two_steps_back_show_no_place_that_one_step_does_not(tmp_path):
    index = built(tmp_path, birds(), None)
    remove(index, None, ["f1"], quiet)
    changed(index, birds()[:1], RULE)
    assert levels(index)["f1"] == "0.1deg"
    restore(index, 2, quiet)  # without f1, so that nothing of the present rows is loosened
    assert "f1" not in levels(index)

    with pytest.raises(InputError, match="Generation 1 has the places of 1 observations.*'f1'"):
        restore(index, 1, quiet)
    assert "f1" not in levels(index)
    told = {f.id for f in check_policy(index).findings if "an earlier generation" in f.what}
    assert told == {"f1"}
    changed(index, [{**birds()[0], "species": "Parus major"}])  # identified anew
    assert levels(index)["f1"] == "0.1deg"


def test_another_policy_is_refused_unless_it_is_asked_for(tmp_path):
    index = built(tmp_path, birds())
    before = (index / "manifest.json").read_bytes()
    for update in (False, True):
        with pytest.raises(InputError) as caught:
            changed(index, [falcon("z")], WEAKER, update)
        assert "--replace-policy" in caught.value.typed and "'unnamed'" in caught.value.typed
    assert (index / "manifest.json").read_bytes() == before
    done = changed(index, [falcon("z")], RULE)  # its own, given again
    assert not any("policy is now" in s for s in done.said) and levels(index)["z"] == "0.1deg"

    done = changed(index, [falcon("y")], WEAKER, replace_policy=True)
    assert [s for s in done.said if "policy is now" in s]
    assert levels(index) == {**levels(index), "y": "100m", "z": "0.1deg", "f1": "0.1deg"}
    assert policy_of(index) == read_policy(tmp_path / "more.toml").sha256
    assert not any("more open" in s for s in done.said)


def test_rows_that_stand_more_open_than_a_new_policy_asks_for_are_counted(tmp_path):
    index = built(tmp_path, birds(), None)
    remove(index, None, ["f3"], quiet)
    done = changed(index, [falcon("z")], RULE)
    (said,) = [s for s in done.said if "more open" in s]

    assert said.startswith("2 rows of the index stand") and "'f1', 'f2';" in said
    done = changed(index, birds()[:2], update=True)
    assert not any("more open" in s for s in done.said)
    assert set(levels(index).items()) >= {("f1", "0.1deg"), ("f2", "0.1deg"), ("p1", None)}
    stricter = RULE.replace("0.1deg", "1deg")
    done = changed(index, birds()[:1], stricter, update=True, replace_policy=True)
    (said,) = [s for s in done.said if "more open" in s]
    assert said.startswith("2 rows") and "'z', 'f2'" in said


@pytest.mark.parametrize(("policy", "said"), [
    (None, "none now, and places stand as the table gives them"), (WEAKER, " now"), (RULE, None),
])  # fmt: skip
def test_a_build_over_an_index_says_that_its_policy_goes(tmp_path, policy, said):
    index = built(tmp_path, birds())
    read = None if policy is None else read_policy(write_policy(tmp_path, policy, "more.toml"))
    heard = []
    config = BuildConfig(table=str(tmp_path / "t.csv"), out=index, model="mini", workers=1, policy=read,
                         overwrite=True)  # fmt: skip
    build(config, quiet, heard.append)
    told = [s for s in heard[0].said if s.startswith("the index that is replaced had the policy 'unnamed'")]  # fmt: skip

    assert len(told) == (said is not None) and all(t.endswith(said) for t in told)
