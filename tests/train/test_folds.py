import pytest

from sightline.errors import Refused
from sightline.hub.collections import open_members, version
from sightline.hub.hub import Hub
from sightline.train.folds import Fold, split_by_fold
from tests.train.hub import LABEL


def test_every_subject_is_held_out_once_and_the_same_way_every_time(hub: Hub) -> None:
    members = open_members(hub, version(hub, LABEL), "train")
    members += open_members(hub, version(hub, LABEL), "validation")
    held = []
    for number in (1, 2, 3):
        fold = Fold(number=number, count=3)
        learnt, out = split_by_fold(members, fold, seed=0)
        again, _ = split_by_fold(members, fold, seed=0)
        assert [each.member for each in learnt] == [each.member for each in again]
        subjects = {each.member.subject_id for each in learnt}
        assert not subjects & {each.member.subject_id for each in out}
        held += [each.member.series_uid for each in out]
    assert sorted(held) == sorted(each.member.series_uid for each in members)
    assert Fold.parse(str(Fold(number=2, count=5))) == Fold(number=2, count=5)


def test_more_folds_than_subjects_are_refused(hub: Hub) -> None:
    members = open_members(hub, version(hub, LABEL), "train")
    with pytest.raises(Refused, match="cannot be parted into 5 folds"):
        split_by_fold(members, Fold(number=1, count=5), seed=0)
