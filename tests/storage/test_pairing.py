import itertools

from hypothesis import given
from hypothesis import strategies as st

from storage.pairing import Placed, pair


def placed(number: int, intake: int, position: int, **more: object) -> Placed:
    page = f"{intake}.{position}"
    return Placed(page=page, number=number, intake=intake, position=position, **more)  # type: ignore[arg-type]


def together(*pages: Placed) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(copy.pages)) for copy in pair(pages))


def test_two_copies_in_one_file_pair_with_their_neighbours_in_any_order_of_reading() -> None:
    pages = [placed(1, 1, 0), placed(2, 1, 2), placed(1, 1, 4), placed(2, 1, 6)]
    for order in itertools.permutations(pages):
        assert together(*order) == [("1.0", "1.2"), ("1.4", "1.6")]


def test_backs_before_fronts_pair_too() -> None:
    pages = [placed(2, 1, 0), placed(1, 1, 2), placed(2, 1, 10), placed(1, 1, 12)]
    assert together(*pages) == [("1.0", "1.2"), ("1.10", "1.12")]


def test_pages_of_one_file_belong_together_before_those_of_others() -> None:
    assert together(placed(1, 1, 0), placed(1, 2, 0), placed(2, 2, 2), placed(2, 3, 0)) == [
        ("1.0", "3.0"),
        ("2.0", "2.2"),
    ]


def test_a_file_for_each_side_pairs_by_nearness() -> None:
    sides = [placed(1, 1, 0), placed(2, 2, 0), placed(1, 3, 0), placed(2, 4, 0)]
    assert together(*sides) == [("1.0", "2.0"), ("3.0", "4.0")]


def test_a_settled_record_keeps_its_pages_and_takes_what_it_lacks() -> None:
    settled = placed(1, 1, 0, record="S-1", settled=True)
    (copy,) = pair([settled, placed(2, 9, 4)])
    assert copy.record == "S-1"
    assert set(copy.pages) == {"1.0", "9.4"}


def test_a_record_is_never_given_to_two_copies() -> None:
    copies = pair(
        [
            placed(1, 1, 0, record="S-1"),
            placed(2, 1, 6, record="S-1"),
            placed(1, 1, 4),
        ]
    )
    assert sorted((copy.record, copy.pages) for copy in copies if copy.record) == [
        ("S-1", ("1.0",))
    ]
    assert len(copies) == 2


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 9)),
        unique_by=lambda p: p[1:],
    )
)
def test_every_page_lands_in_one_copy_that_has_each_number_once(
    pages: list[tuple[int, int, int]],
) -> None:
    all_pages = [placed(*each) for each in pages]
    numbers = {each.page: each.number for each in all_pages}
    copies = pair(all_pages)
    landed = [page for copy in copies for page in copy.pages]
    assert sorted(landed) == sorted(numbers)
    for copy in copies:
        here = [numbers[page] for page in copy.pages]
        assert len(set(here)) == len(here)
