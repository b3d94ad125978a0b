"""The Merkle tree, changed piece by piece, against one built from nothing."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_service.domain.merkle import (
    EMPTY,
    FAN_OUT,
    PAGE_SLOTS,
    MerkleTree,
    climb,
    hash_leaf,
)

sizes = st.one_of(st.integers(0, 40), st.sampled_from([255, 256, 257, 4095, 4096, 4097, 70_000]))


def leaves(count: int, salt: int = 0) -> list[bytes]:
    return [hashlib.sha256(b"%d %d" % (slot, salt)).digest() for slot in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    first=sizes,
    steps=st.lists(
        st.tuples(st.integers(0, 40), st.lists(st.integers(0, 10**6), max_size=20)), max_size=4
    ),
    data=st.data(),
)
def test_any_changes_in_any_order_lead_to_the_root_of_a_new_tree(
    first: int, steps: list[tuple[int, list[int]]], data: st.DataObject
) -> None:
    model = leaves(first)
    tree = MerkleTree(model)
    for salt, (new, touched) in enumerate(steps, 1):
        changed = dict(enumerate(leaves(new, salt), len(model)))
        model.extend(changed.values())
        for slot in (slot % len(model) for slot in touched if model):
            changed[slot] = EMPTY if slot % 3 == 0 else leaves(1, salt * 7 + slot)[0]
            model[slot] = changed[slot]
        before = tree.root
        change = tree.change(dict(data.draw(st.permutations(list(changed.items())))))
        assert tree.root == before
        tree.absorb(change)
        again = MerkleTree(model)
        assert tree.root == change.root == again.root
        assert tree.pages() == again.pages()
        assert tree.size == len(model)


@given(sizes.filter(bool), st.data())
@settings(max_examples=30, deadline=None)
def test_a_path_leads_from_its_own_leaf_to_the_root_and_from_no_other(
    size: int, data: st.DataObject
) -> None:
    tree = MerkleTree(leaves(size))
    slot = data.draw(st.integers(0, size - 1))
    leaf, path = leaves(size)[slot], tree.path(slot)
    assert climb(leaf, path) == tree.root
    assert climb(hash_leaf(leaf), path) != tree.root
    level = data.draw(st.integers(0, len(path) - 1))
    moved = replace(path[level], position=(path[level].position + 1) % FAN_OUT)
    assert climb(leaf, [*path[:level], moved, *path[level + 1 :]]) != tree.root


@pytest.mark.parametrize("size", [1, 5000, 3 * PAGE_SLOTS + 1])
def test_a_page_and_the_pages_above_it_make_the_same_path(size: int) -> None:
    tree, slot = MerkleTree(leaves(size)), size - 1
    page, place = divmod(slot, PAGE_SLOTS)
    within = MerkleTree(leaves(size)[page * PAGE_SLOTS : (page + 1) * PAGE_SLOTS])
    above = MerkleTree(tree.pages(), levels_min=0)
    assert within.path(place) + above.path(page) == tree.path(slot)
    assert above.root == tree.root


def test_only_the_way_up_is_hashed_again() -> None:
    tree = MerkleTree(leaves(70_000))
    change = tree.change({3: EMPTY, 5: EMPTY, 69_999: EMPTY})
    assert [len(level) for level in change.levels] == [3, 2, 2, 2, 2, 1]


def test_an_empty_tree_has_a_root() -> None:
    assert MerkleTree().root == MerkleTree().change({}).root == EMPTY
