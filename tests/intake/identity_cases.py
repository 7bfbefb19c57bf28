"""Who is who: a table of cases, each a few messages and instances and how they must end.

A case is written as steps, separated by `;`, and as what must be found afterwards.

Steps
    store S1/1:A          C-STORE of instance 1 of study S1 of patient A; `store@NORTHCT` by that AE
    import S1/1:A         the same as a file, through `import_path`
    store S1/1:A*         the same SOP Instance UID with other pixels
    A40 A>B               an ADT message: A is merged into B (also A18, A34, A47)
    A37 A,B               they are unmerged; `A37m A>B` names them as PID and MRG
    A08 A name=N sex=F    what a message says of A (also A01, A04, A05); `""` deletes
    again 1               the first message of the case once more, byte for byte
    reject 113037 S1:A/1,2    C-STORE of a note that takes instances back; `S1>S2:A/1` is a note in
                          S1 that names what is in S2
    note 113000 S1:A/1    a Key Object Selection that rejects nothing
A message is from a facility without a default issuer, or from the one after `@`. A patient is
written `A` or, where the sender names the issuer, `A.NORTH`. After `!` stands the answer where it
is not AA (or not Success).

Expectations
    S1=B          the study is B's, and seen; `S1=B.NORTH`, `S1=B:2` with two instances shown
    S1=hidden     it is found nowhere
    S1=none       it never came
    held=1        so many instances wait in quarantine
    A.name=N      what is known of a patient; also birth, sex
    patients=2    how many identities the case made
"""

import dataclasses
from collections.abc import Iterator

MERGES = ("A18", "A34", "A40", "A47")
CORRECTIONS = ("A01", "A04", "A05", "A08")
TITLES = ("113001", "113037", "113038", "113039")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    steps: str
    ends: str


def _merges() -> Iterator[Case]:
    orders = {
        "after the studies": "{send} S1/1:{a}; {send} S2/1:{b}; {merge} {a}>{b}",
        "before the studies": "{merge} {a}>{b}; {send} S1/1:{a}; {send} S2/1:{b}",
        "between the studies": "{send} S1/1:{a}; {merge} {a}>{b}; {send} S2/1:{b}",
    }
    for merge in MERGES:
        for when, steps in orders.items():
            for send in ("store", "import"):
                for a, b in (("A", "B"), ("A.NORTH", "B.NORTH")):
                    yield Case(
                        f"{merge} {when}, by {send}, {a} into {b}",
                        steps.format(send=send, merge=merge, a=a, b=b),
                        f"S1={b}; S2={b}; held=0; patients=2",
                    )


def _chains() -> Iterator[Case]:
    studies = "store S1/1:A; store S2/1:B; store S3/1:C"
    chains = {
        "the first link first": "{one} A>B; {two} B>C",
        "the last link first": "{two} B>C; {one} A>B",
        "both into one": "{one} A>C; {two} B>C",
    }
    for how, links in chains.items():
        for one, two in (("A40", "A40"), ("A34", "A47")):
            said = links.format(one=one, two=two)
            for steps in (f"{studies}; {said}", f"{said}; {studies}"):
                yield Case(f"a chain, {how}: {steps}", steps, "S1=C; S2=C; S3=C; patients=3")
    for middle in ("A40 A>B; store S2/1:B; store S1/1:A; A40 B>C; store S3/1:C",):
        yield Case("a chain that grows as studies come", middle, "S1=C; S2=C; S3=C")
    long = "; ".join(f"A40 {a}>{b}" for a, b in ("AB", "BC", "CD", "DE", "EF"))
    yield Case("a long chain", f"{long}; store S1/1:A; store S2/1:C", "S1=F; S2=F; patients=6")
    back = "; ".join(f"A40 {a}>{b}" for a, b in ("EF", "DE", "CD", "BC", "AB"))
    yield Case("a long chain from its end", f"store S1/1:A; store S2/1:C; {back}", "S1=F; S2=F")


def _unmerges() -> Iterator[Case]:
    for unmerge in ("A37 A,B", "A37 B,A", "A37m A>B"):
        for steps in (
            "store S1/1:A; store S2/1:B; A40 A>B; {u}",
            "A40 A>B; store S1/1:A; store S2/1:B; {u}",
            "A40 A>B; {u}; store S1/1:A; store S2/1:B",
            "store S1/1:A; A40 A>B; {u}; store S2/1:B",
        ):
            done = steps.format(u=unmerge)
            yield Case(f"unmerged: {done}", done, "S1=A; S2=B; held=0; patients=2")
    studies = "store S1/1:A; store S2/1:B; store S3/1:C"
    for order in ("A40 A>B; A40 B>C", "A40 B>C; A40 A>B"):
        for first in (f"{studies}; {order}", f"{order}; {studies}"):
            yield Case(f"the first link undone: {first}", f"{first}; A37 A,B", "S1=A; S2=C; S3=C")
            yield Case(f"the last link undone: {first}", f"{first}; A37 B,C", "S1=B; S2=B; S3=C")
            both = f"{first}; A37 A,B; A37 B,C"
            yield Case(f"both links undone: {first}", both, "S1=A; S2=B; S3=C")
    yield Case(
        "merged again after an unmerge",
        "store S1/1:A; A40 A>B; A37 A,B; A40 A>B",
        "S1=B",
    )
    yield Case(
        "merged the other way after an unmerge",
        "store S1/1:A; store S2/1:B; A40 A>B; A37 A,B; A40 B>A",
        "S1=A; S2=A",
    )


def _refused() -> Iterator[Case]:
    for merge in MERGES:
        yield Case(f"{merge} into itself", f"store S1/1:A; {merge} A>A !AE", "S1=A; patients=1")
        yield Case(
            f"{merge} in a circle",
            f"store S1/1:A; store S2/1:B; A40 A>B; {merge} B>A !AE",
            "S1=B; S2=B",
        )
        yield Case(
            f"{merge} in a circle of three",
            f"store S1/1:A; A40 A>B; A40 B>C; {merge} C>A !AE",
            "S1=C",
        )
        yield Case(
            f"{merge} of what is merged elsewhere",
            f"store S1/1:A; A40 A>B; {merge} A>C !AE",
            "S1=B; patients=2",
        )
        yield Case(
            f"{merge} without the old number", f"store S1/1:A; {merge} ->A !AE", "S1=A; patients=1"
        )
    yield Case("an unmerge of strangers", "store S1/1:A; A37 A,B !AE", "S1=A; patients=1")
    yield Case("an unmerge twice", "store S1/1:A; A40 A>B; A37 A,B; A37 A,B !AE", "S1=A")
    yield Case(
        "an unmerge of a link that is not direct",
        "store S1/1:A; A40 A>B; A40 B>C; A37 A,C !AE",
        "S1=C",
    )
    yield Case("an unmerge of one", "store S1/1:A; A37 A !AR", "S1=A")
    yield Case("a message of a kind that is not taken", "store S1/1:A; A03 A !AR", "S1=A")
    yield Case("a correction of nobody", "A08 - name=New !AE", "patients=0")


def _repeats() -> Iterator[Case]:
    for merge in MERGES:
        yield Case(f"{merge}, byte for byte again", f"store S1/1:A; {merge} A>B; again 1", "S1=B")
        yield Case(f"{merge}, said anew", f"store S1/1:A; {merge} A>B; {merge} A>B", "S1=B")
    yield Case(
        "an old merge repeated after its unmerge changes nothing",
        "store S1/1:A; A40 A>B; A37 A,B; again 1",
        "S1=A",
    )


def _corrections() -> Iterator[Case]:
    for kind in CORRECTIONS:
        for what, ends in (
            ("name=New^Name", "A.name=New^Name"),
            ("birth=19700102", "A.birth=19700102"),
            ("sex=F", "A.sex=F"),
            ('name=""', "A.name="),
        ):
            yield Case(f"{kind} {what} after", f"store S1/1:A; {kind} A {what}", f"S1=A; {ends}")
        yield Case(
            f"{kind} before the study",
            f"{kind} A name=New^Name sex=M; store S1/1:A",
            "S1=A; A.name=New^Name; A.sex=M; patients=1",
        )
    yield Case(
        "a correction of one that was merged leaves the survivor",
        "store S1/1:A; A40 A>B; A08 B name=Sure^One; A08 A name=Old^One",
        "S1=B; B.name=Sure^One; A.name=Old^One",
    )
    yield Case(
        "what is not said stays",
        "A08 A name=New^Name birth=19700102 sex=F; A08 A sex=M; store S1/1:A",
        "A.name=New^Name; A.birth=19700102; A.sex=M",
    )


def _hospitals() -> Iterator[Case]:
    two = "S1=A.NORTH; S2=A.SOUTH; held=0; patients=2"
    yield Case("one number of two hospitals", "store S1/1:A.NORTH; store S2/1:A.SOUTH", two)
    yield Case("the same, as files", "import S1/1:A.NORTH; import S2/1:A.SOUTH", two)
    by_sender = "store@NORTHCT S1/1:A; store@SOUTHCT S2/1:A"
    yield Case("one number of two senders that name no issuer", by_sender, two)
    yield Case(
        "a sender's default and the issuer itself are one",
        "store@NORTHCT S1/1:A; store S2/1:A.NORTH",
        "S1=A.NORTH; S2=A.NORTH; patients=1",
    )
    yield Case(
        "nobody's number is a third",
        "store S1/1:A; store S2/1:A.NORTH",
        "S1=A; S2=A.NORTH; patients=2",
    )
    for merge in MERGES:
        yield Case(
            f"{merge} in one hospital leaves the other",
            f"{by_sender}; {merge}@NORTHHIS A>B",
            "S1=B.NORTH; S2=A.SOUTH; patients=3",
        )
        yield Case(
            f"{merge} across hospitals",
            f"{by_sender}; {merge} A.SOUTH>A.NORTH",
            "S1=A.NORTH; S2=A.NORTH; patients=2",
        )
    yield Case(
        "a correction in one hospital leaves the other",
        "A08@NORTHHIS A name=North^One; A08@SOUTHHIS A name=South^One",
        "A.NORTH.name=North^One; A.SOUTH.name=South^One; patients=2",
    )


def _reused() -> Iterator[Case]:
    for send in ("store", "import"):
        yield Case(
            f"a study UID of another patient, by {send}",
            f"{send} S1/1:A; {send} S1/2:B",
            "S1=A:1; held=1",
        )
        yield Case(
            f"a SOP Instance UID with other content, by {send}",
            f"{send} S1/1:A; {send} S1/1:A*",
            "S1=A:1; held=1",
        )
        yield Case(f"the same again, by {send}", f"{send} S1/1:A; {send} S1/1:A", "S1=A:1; held=0")
        yield Case(
            f"the study of a merged patient goes on, by {send}",
            f"{send} S1/1:A; A40 A>B; {send} S1/2:B; {send} S1/3:A",
            "S1=B:3; held=0",
        )
        yield Case(
            f"the same number in another hospital is another patient, by {send}",
            f"{send} S1/1:A.NORTH; {send} S1/2:A.SOUTH",
            "S1=A.NORTH:1; held=1",
        )
        yield Case(
            f"after an unmerge the study is the first one's again, by {send}",
            f"{send} S1/1:A; A40 A>B; A37 A,B; {send} S1/2:B",
            "S1=A:1; held=1",
        )


def _rejections() -> Iterator[Case]:
    for title in TITLES:
        both = "store S1/1:A; store S1/2:A"
        yield Case(f"{title} of a part", f"{both}; reject {title} S1:A/1", "S1=A:1")
        yield Case(f"{title} of all", f"{both}; reject {title} S1:A/1,2", "S1=hidden")
        yield Case(f"{title} before it comes", f"reject {title} S1:A/1; {both}", "S1=A:1")
        yield Case(
            f"{title} before all of it comes",
            f"reject {title} S1:A/1,2; {both}",
            "S1=hidden",
        )
        yield Case(
            f"{title}, then corrected",
            f"{both}; reject {title} S1:A/1,2; store S1/3:A",
            "S1=A:1; held=0",
        )
        yield Case(
            f"{title}, then the same again",
            f"store S1/1:A; reject {title} S1:A/1; store S1/1:A",
            "S1=hidden; held=0",
        )
        yield Case(
            f"{title} from one study of a patient on another",
            f"store S1/1:A; store S2/1:A; reject {title} S1>S2:A/1",
            "S1=A:1; S2=hidden",
        )
        yield Case(
            f"{title} of what is somebody else's",
            f"store S1/1:A; store S2/1:B; reject {title} S1>S2:A/1",
            "S1=A:1; S2=B:1",
        )
    yield Case(
        "a selection that rejects nothing",
        "store S1/1:A; note 113000 S1:A/1",
        "S1=A:2",
    )
    yield Case(
        "rejected, then merged",
        "store S1/1:A; store S1/2:A; reject 113037 S1:A/1; A40 A>B",
        "S1=B:1",
    )
    yield Case(
        "merged, then rejected under the old number",
        "store S1/1:A; store S1/2:A; A40 A>B; reject 113037 S1:A/1",
        "S1=B:1",
    )


CASES = [
    *_merges(),
    *_chains(),
    *_unmerges(),
    *_refused(),
    *_repeats(),
    *_corrections(),
    *_hospitals(),
    *_reused(),
    *_rejections(),
]
