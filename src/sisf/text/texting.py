"""Words as they are typed in chats: `u`, `ppl`, `gr8`, `w/o`."""

import re

import re2

from sisf.text.changed import Changed, substitute

MEANT = dict(
    pair.split("=")
    for pair in """
    n=and u=you ur=your yr=your r=are ya=you ppl=people pple=people plz=please pls=please thx=thanks tnx=thanks
    cuz=because coz=because bcuz=because bc=because abt=about bout=about wut=what wat=what wot=what wht=what
    dis=this dat=that da=the dem=them dey=they tha=the wit=with wiv=with hw=how hv=have hve=have frm=from msg=message
    msgs=messages vid=video acct=account govt=government pw=password pwd=password rite=write kno=know luv=love
    nite=night thru=through tho=though enuf=enough gonna=going_to wanna=want_to gotta=have_to gimme=give_me lemme=let_me
    sum1=someone some1=someone any1=anyone ne1=anyone
    every1=everyone no1=nobody b4=before gr8=great l8=late l8r=later
    m8=mate h8=hate w8=wait cr8=create str8=straight 2day=today 2nite=tonight 2moro=tomorrow 4ever=forever
    w/=with w/o=without sth=something smth=something sb=somebody smb=somebody xplain=explain xplode=explode
    """.split()
)
"""What they are short for."""
_DIGITS = {"2": "to", "4": "for"}
"""Words where others in the text are typed so."""
_TOKEN = re.compile(r"(?<![^\s\"'(])(?:w/o?(?=[\s\"')]|$)|\w+(?=[\s\"').,;:?!]|$))")
_SOME = sorted(word for word in MEANT if len(word) > 1)
CLUE_TEXTED = rf"(?i)(?:^|[\s\"'(])(?:{'|'.join(_SOME)}|u)(?:[\s\"').,;:?!]|$)"
"""What calls for it (RE2)."""
_FEWEST, _APART = 2, 1_000
"""Such words in a text, and one more for each so many characters of it."""


def texted(text: str) -> Changed | None:
    """The text with such words as others write them; None where there are fewer than two, digits included, or hardly
    any in a long text."""
    if sum(1 for _ in re2.finditer(CLUE_TEXTED, text)) < len(text) // _APART:
        return None
    changed = substitute(_TOKEN, _meant, text)
    return changed if changed is not None and len(changed.fresh or ()) >= _FEWEST else None


def _meant(match: "re.Match[str]") -> str | None:
    token = match[0].lower()
    meant = MEANT.get(token) or _DIGITS.get(token)
    return meant.replace("_", " ") if meant else None
