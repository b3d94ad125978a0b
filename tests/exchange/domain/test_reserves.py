"""The tree of what is owed: every user is in it, and nobody can be made smaller unseen."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_service.domain.reserves import LiabilityTree, hash_leaf, join
from exchange_service.reserves.schemas import write_path
from exchange_service.verify_reserves import verify_path

BALANCES = st.dictionaries(
    st.integers(1001, 10**6),
    st.tuples(st.integers(0, 21 * 10**14), st.integers(0, 21 * 10**15)),
    min_size=1,
    max_size=40,
)


def publish(tree: LiabilityTree) -> dict[str, Any]:
    root = tree.root
    return {"root": root.hash.hex(), "owed_sat": str(root.sat), "owed_rao": str(root.rao)}


def path_of(tree: LiabilityTree, account_id: int) -> dict[str, Any]:
    leaf = tree.find_leaf(account_id)
    assert leaf is not None
    path = write_path(tree.root.hash.hex(), leaf, tree.find_path(account_id))
    return path.model_dump(mode="json")


@settings(deadline=None, max_examples=60)
@given(balances=BALANCES)
def test_every_user_is_in_the_sums(balances: dict[int, tuple[int, int]]) -> None:
    tree = LiabilityTree(balances, b"secret")
    assert tree.root.sat == sum(sat for sat, _ in balances.values())
    assert tree.root.rao == sum(rao for _, rao in balances.values())
    for account_id in balances:
        verify_path(publish(tree), path_of(tree, account_id))


@settings(deadline=None, max_examples=60)
@given(balances=BALANCES, data=st.data())
def test_no_part_of_a_path_can_be_altered(
    balances: dict[int, tuple[int, int]], data: st.DataObject
) -> None:
    tree = LiabilityTree(balances, b"secret")
    path = path_of(tree, data.draw(st.sampled_from(sorted(balances))))
    parts = [path["leaf"], *path["siblings"]]
    part = data.draw(st.sampled_from(parts))
    name = data.draw(st.sampled_from(["sat", "rao"]))
    part[name] = str(int(part[name]) + data.draw(st.integers(1, 100)))
    with pytest.raises(AssertionError, match="not in the sums"):
        verify_path(publish(tree), path)


def test_sums_cannot_be_moved_between_the_children_of_a_node() -> None:
    tree = LiabilityTree({1001: (5, 0), 1002: (7, 0)}, b"secret")
    path = path_of(tree, 1001)
    path["leaf"]["sat"], path["siblings"][0]["sat"] = "6", "6"
    with pytest.raises(AssertionError, match="not in the sums"):
        verify_path(publish(tree), path)
    path["siblings"][0]["sat"] = "-1"
    with pytest.raises(OverflowError):
        verify_path(publish(tree), path)


def test_a_balance_below_zero_makes_no_proof() -> None:
    with pytest.raises(ValueError, match="below zero"):
        LiabilityTree({1001: (5, -1)}, b"secret")


def test_salts_hide_equal_balances_and_differ_from_proof_to_proof() -> None:
    first = LiabilityTree({1001: (5, 5), 1002: (5, 5)}, b"one")
    second = LiabilityTree({1001: (5, 5), 1002: (5, 5)}, b"two")
    leaves = [tree.find_leaf(number) for tree in (first, second) for number in (1001, 1002)]
    nodes = [hash_leaf(leaf) for leaf in leaves if leaf is not None]
    assert len({node.hash for node in nodes}) == 4
    assert join(nodes[0], nodes[1]).sat == 10
