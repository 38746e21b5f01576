"""What `sisf policy list` shows: a person reads a few lines, and nothing is left out."""

from hypothesis import given
from hypothesis import strategies as st

from sisf.cli.policy_list import lines
from sisf.policy import Action, Direction, Pattern, Policy, Provenance, Status
from sisf.synthesis.lines import NARROW, WAITING
from sisf.taxonomy import Hazard

POLICIES = st.lists(
    st.builds(
        Policy,
        st.just(Pattern("sesame")),
        st.just(Action.BLOCK),
        st.sampled_from((Direction.PROMPT, Direction.RESPONSE)),
        st.just("Asks the cave to open"),
        hazard=st.sampled_from((Hazard.HATE, Hazard.PRIVACY)),
        status=st.sampled_from((Status.ACTIVE, Status.SHADOW)),
        provenance=st.builds(Provenance, synthesiser=st.sampled_from((NARROW, WAITING, "local", "person"))),
        tenant=st.sampled_from(("", "acme")),
    ),
    max_size=30,
)


def narrow(policy: Policy) -> bool:
    return policy.provenance.synthesiser in (NARROW, WAITING)


@given(POLICIES)
def test_every_policy_stands_on_one_line_and_only_narrow_ones_share_it(policies: list[Policy]) -> None:
    found = lines(policies, each=False)
    counted = [int(line[0].split()[0]) if line[0].endswith(" narrow") else 1 for line in found]
    assert sum(counted) == len(policies)
    alone = {line[0] for line in found}
    assert {policy.id for policy in policies if not narrow(policy)} <= alone
    shared = [policy for policy in policies if policy.id not in alone]
    assert all(narrow(policy) for policy in shared)
    kinds = {(p.status, p.direction, p.hazard, p.tenant, p.provenance.synthesiser) for p in policies if narrow(p)}
    assert len(found) == len(kinds) + sum(not narrow(policy) for policy in policies)


@given(POLICIES)
def test_asked_for_each_all_ids_are_told_in_their_order(policies: list[Policy]) -> None:
    assert [line[0] for line in lines(policies, each=True)] == [policy.id for policy in policies]
