"""What became of exchanges, and on whose word, on every store."""

from sisf.exchange import Fate
from sisf.store import Query, Said, Store
from tests.store.samples import BREACH, SAFE, UNDECIDED, record


def test_every_exchange_is_counted_once_by_what_it_stands_on(store: Store) -> None:
    for name, values in {
        "a": {"fate": Fate.INTERCEPTED_PROMPT},
        "b": {"fate": Fate.INTERCEPTED_RESPONSE},
        "c": {"fate": Fate.WITHHELD},
        "d": {"verdict": BREACH},
        "e": {"verdict": SAFE},
        "f": {"verdict": UNDECIDED},
        "g": {},
        "h": {"fate": Fate.ERROR},
        "i": {"verdict": SAFE},
    }.items():
        store.exchanges.record(record(name, **values), enqueue=False).result()  # type: ignore[arg-type]
    store.exchanges.save_verdict("i", BREACH, actor="person:ann")
    store.oversight.say("a", Said.MISTAKE, actor="person:ann", revision=0)
    (one,) = store.exchanges.standing(Query())
    assert (one.exchanges, one.stopped, one.stopped_wrong, one.stopped_right, one.withheld) == (9, 2, 1, 0, 1)
    assert (one.breach_judge, one.breach_person, one.safe_judge, one.undecided, one.unjudged) == (1, 1, 1, 1, 1)
    assert (one.unanswered, one.open, one.breaches, one.stopped_unseen) == (1, 2, 2, 1)
    runs = store.exchanges.standing(Query(), last=6, parts=3)
    assert [run.exchanges for run in runs] == [2, 2, 2]
    assert [run.since for run in runs] == sorted(run.since for run in runs)
    assert store.exchanges.standing(Query(tenant="nobody")) == []
    assert store.exchanges.standing(Query(fates=(Fate.WITHHELD,)))[0].withheld == 1
