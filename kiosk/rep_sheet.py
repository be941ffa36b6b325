"""Making out a rep's sheet: worked out anew, stamped, registered and told to its cases at once."""

from __future__ import annotations

from datetime import date, datetime

from forms.errors import UserError
from kiosk.issue import Order, issue_filled
from pipeline.briefing import stamps_of
from pipeline.promises import HERE
from storage.rep_sheets import NothingToTell, Picked
from storage.reps import Rep
from storage.store import Kept

FORM = "rj-7"


class LineSpokenAgainst(UserError):
    """Somebody who was picked must not stand on the sheet."""

    code = "rep-sheet-line-against"
    message = "Somebody whom you picked cannot stand on this sheet, so it was not printed."
    remedy = (
        "Look at why beside his line, and take him off, or take off whom he must not be beside."
    )
    status = 422


def issue_sheet(
    kept: Kept,
    rep: Rep,
    picked: Picked,
    *,
    day: date,
    back_by: datetime,
    worker: str,
    by: str,
    at: datetime,
) -> str:
    """Make out a rep's sheet, to be printed by `kiosk.issue.print_bound`.

    Args:
        kept: the transaction; everything is looked up in it once more.
        rep: for whom.
        picked: whom it is to tell of, and what he is to do.
        day: the day it is for.
        back_by: when it has to be back, UTC.
        worker: what the practitioner is called.
        by: user name.
        at: now, UTC.

    Returns:
        The sheet's serial.

    Raises:
        LineSpokenAgainst: somebody who was picked must not stand on it.
        NothingToTell: nobody was picked.
    """
    seed = kept.rep_sheets.new_seed()
    made = kept.rep_sheets.plan(rep, day, picked, at=at, seed=seed)
    if made.left_out:
        raise LineSpokenAgainst
    if not made.lines:
        raise NothingToTell
    stamped = stamps_of(
        made.lines,
        rep=kept.roll.find(rep.number),
        worker=worker,
        day=day,
        back_by=back_by.astimezone(HERE),
    )
    order = Order(form=FORM, establishment=rep.establishment)
    serial = issue_filled(kept, order, stamped, by=by, at=at).removeprefix("pad-")
    kept.rep_sheets.add(serial, rep, made.lines, day=day, seed=seed, back_by=back_by, by=by, at=at)
    for case_id in {each.case_id for each in made.lines}:
        kept.case_intake.tell(case_id, at=at)
    return serial
