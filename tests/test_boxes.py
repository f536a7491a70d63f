"""Decoding the detector's grids, on grids small enough to work out by hand."""

import math

import numpy as np
import pytest
from makers import box

from anpr_node.vision.boxes import decode, without_repeats

SQUARE = (-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5)


def grids(rows=4, columns=6):
    return (
        np.full((rows, columns, 1), -9, np.float32),
        np.zeros((rows, columns, 4), np.float32),
        np.tile(np.array(SQUARE, np.float32), (rows, columns, 1)),
    )


def put(arrays, row, column, logit, *, offset=(0.0, 0.0), cells=(2.0, 1.0)):
    heat, box, _ = arrays
    heat[row, column] = logit
    box[row, column] = (*offset, math.log(cells[0]), math.log(cells[1]))


def test_an_empty_grid_has_no_plates():
    assert decode(*grids(), threshold=0.1) == []


def test_a_plate_lies_where_its_cell_says():
    arrays = grids()
    put(arrays, 1, 2, 0.0, offset=(0.25, -0.5), cells=(4.0, 1.0))
    (plate,) = decode(*arrays, threshold=0.3)
    # centre (2.5 + .25, 1.5 - .5) cells of 8 px, 4 x 1 cells large
    assert plate.bounds == pytest.approx((6, 4, 38, 12))
    assert plate.score == pytest.approx(0.5)


def test_corners_follow_the_box_not_the_picture():
    arrays = grids()
    put(arrays, 1, 2, 3.0, cells=(2.0, 1.0))
    arrays[2][1, 2] = (-0.5, -0.25, 0.5, -0.5, 0.5, 0.25, -0.5, 0.5)
    (plate,) = decode(*arrays, threshold=0.3)
    assert plate.corners[0] == pytest.approx((12, 10))
    assert plate.corners[1] == pytest.approx((28, 8))
    assert plate.corners[2] == pytest.approx((28, 14))
    assert plate.corners[3] == pytest.approx((12, 16))


def test_the_threshold_is_a_score():
    arrays = grids()
    put(arrays, 1, 2, math.log(0.3 / 0.7) + 1e-4)
    assert len(decode(*arrays, threshold=0.3)) == 1
    assert decode(*arrays, threshold=0.31) == []


def test_neighbouring_cells_of_one_plate_give_one_box_and_vote_on_it():
    arrays = grids()
    put(arrays, 1, 2, 2.0, offset=(0.1, 0.0), cells=(4.0, 1.0))
    put(arrays, 1, 3, 2.0, offset=(-0.7, 0.0), cells=(4.0, 1.0))
    (plate,) = decode(*arrays, threshold=0.3)
    middle = (plate.bounds[0] + plate.bounds[2]) / 2
    assert middle == pytest.approx((2.6 + 2.8) / 2 * 8, abs=1e-4)


def test_a_neighbour_that_means_another_box_has_no_vote():
    arrays = grids()
    put(arrays, 1, 2, 2.0, cells=(4.0, 1.0))
    put(arrays, 1, 3, -9.0, cells=(0.5, 0.5))
    (plate,) = decode(*arrays, threshold=0.2)
    assert plate.bounds[0] == pytest.approx((2.5 - 2) * 8)


def test_each_corner_is_seen_mostly_from_its_own_side():
    arrays = grids(4, 12)
    for column in range(3, 10):
        put(arrays, 1, column, 5.0 if column == 6 else -9.0, offset=(6.0 - column, 0.0), cells=(8.0, 1.0))
    arrays[2][1, 4] = (-0.4, -0.5, 0.4, -0.5, 0.4, 0.5, -0.4, 0.5)
    (plate,) = decode(*arrays, threshold=0.3)
    moved_left, moved_right = plate.bounds[0] - (6.5 - 4) * 8, (6.5 + 4) * 8 - plate.bounds[2]
    assert moved_left > 2 * moved_right > 0


def test_two_plates_come_back_surest_first():
    arrays = grids()
    put(arrays, 0, 1, 1.0)
    put(arrays, 3, 4, 3.0)
    first, second = decode(*arrays, threshold=0.3)
    assert first.score > second.score
    assert first.bounds[1] > second.bounds[3]


def test_a_washed_out_grid_stays_bounded():
    arrays = grids(30, 40)
    arrays[0][:] = 5.0
    assert 0 < len(decode(*arrays, threshold=0.3)) <= 200


def test_absurd_sizes_do_not_overflow():
    arrays = grids()
    put(arrays, 1, 2, 3.0)
    arrays[1][1, 2, 2:] = 1000
    (plate,) = decode(*arrays, threshold=0.3)
    assert all(math.isfinite(value) for value in plate.bounds)


def test_of_boxes_that_overlap_the_surest_stays():
    found = [box(width=180, score=0.5), box(x=610, width=180, score=0.9), box(x=900, score=0.4)]
    assert [b.score for b in without_repeats(found, 0.4)] == [0.9, 0.4]
