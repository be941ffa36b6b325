"""What somebody does to a case from its page: what was sent becomes acts, and is kept.

Whether it may be done is for `pipeline.case_guards`; here it is only made out of what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from forms.errors import UserError
from kiosk.access import Role, Sent, User
from kiosk.issue import PersonMistyped, PersonNotOnRoll
from kiosk.problems import NotAllowed as RoleNotAllowed
from kiosk.staff.case_views import is_fixed
from kiosk.staff.case_words import PASSED_TO
from pipeline import case_acts as on
from pipeline.case_acts import Act, Party
from pipeline.case_guards import needs_second
from pipeline.case_tasks import What, is_late, tasks_of
from pipeline.ports import Person
from pipeline.promises import day_of
from pipeline.roll import PRISON_NUMBER
from storage.cases import KeptCase
from storage.store import Kept

LONGEST_PLACE = 12
LONGEST_WHY = 200


class ActOdd(UserError):
    """Something that was sent is missing or cannot be."""

    code = "act-odd"
    message = "Something is missing, so nothing was kept."
    remedy = "Say what the question asks, and send it again."
    status = 422


class PartyFixed(UserError):
    """Somebody was with this person already."""

    code = "party-fixed"
    message = "Somebody has already spoken with this person, so the case stays with them."
    remedy = "If it is the wrong person, close the case as sent in error and open another."
    status = 409


class PartyTwice(UserError):
    """The same person twice in one case."""

    code = "party-twice"
    message = "That person is in this case already."
    remedy = "Look at the number again."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What was sent from a case's page.

    Attributes:
        kept_case: the case as it is.
        form: what was sent.
    """

    kept: Kept
    kept_case: KeptCase
    user: User
    form: Sent
    now: datetime

    @property
    def party(self) -> str:
        """Give the key of whom it is about.

        Raises:
            ActOdd: nobody of the case.
        """
        key = self.form.one("party")
        if self.kept_case.case.side(key) is None:
            raise ActOdd(remedy="Say whom of the case it is about.")
        return key

    def picked(self, name: str, kind: type[_Code]) -> _Code:
        """Give the code that was picked.

        Raises:
            ActOdd: none of those there are.
        """
        try:
            return kind(self.form.one(name))
        except ValueError:
            raise ActOdd("Nothing was picked, so nothing was kept.", remedy=_PICK) from None

    def yes(self, name: str) -> bool:
        """Give a yes or no.

        Raises:
            ActOdd: neither was picked.
        """
        said = self.form.one(name)
        if said not in ("yes", "no"):
            raise ActOdd("Nothing was picked, so nothing was kept.", remedy=_PICK)
        return said == "yes"

    def day(self, name: str) -> date | None:
        """Give a day; None for none.

        Raises:
            ActOdd: it is no day.
        """
        said = self.form.one(name).strip()
        if not said:
            return None
        try:
            return date.fromisoformat(said)
        except ValueError:
            raise ActOdd("That is no day, so nothing was kept.", remedy=_A_DAY) from None

    def coming_day(self, name: str) -> date:
        """Give a day after today.

        Raises:
            ActOdd: there is none, or it is not to come.
        """
        day = self.day(name)
        if day is None or day <= day_of(self.now):
            raise ActOdd("That day is not to come, so nothing was kept.", remedy=_A_DAY)
        return day


_Code = TypeVar("_Code", bound=StrEnum)
_PICK = "Pick one of the answers, and send it again."
_A_DAY = "Give a day to come, such as 24/12/2026."


def do(doing: Doing) -> None:
    """Keep what was done, if nothing speaks against it; then the kiosk's words follow.

    Raises:
        ActOdd: it cannot be told what was done.
        CaseChanged: somebody else did something meanwhile.
        NotAllowed: something speaks against it.
        UserError: see what each act needs.
    """
    make = ACTS.get(doing.form.one("act"))
    if make is None:
        raise ActOdd(remedy="Go back to the case, and use what is on its page.")
    case_id = doing.kept_case.id
    act = make(doing)
    doing.kept.cases.do(case_id, act, seen=seen_in(doing.form))
    if isinstance(act, on.PartyNamed | on.Reopened | on.FollowedUp):
        doing.kept.case_roll.heed(case_id, at=doing.now)
    if isinstance(act, on.Promised):
        _renew(doing, act.day)
    doing.kept.case_intake.tell(case_id, at=doing.now)


def seen_in(form: Sent) -> int:
    """Give how many acts whoever sent a form had seen: -1 when it does not say."""
    said = form.one("seen")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 7 else -1


def person_for(kept: Kept, user: User, number: str) -> Person:
    """Find somebody on the roll by their exact number; of other prisons than one's own, nobody.

    Raises:
        PersonMistyped: it is no prison number.
        PersonNotOnRoll: nobody of theirs has it.
    """
    number = number.replace(" ", "").upper()
    if not PRISON_NUMBER.fullmatch(number):
        raise PersonMistyped
    found = kept.roll.find(number)
    prison = found.establishment.strip().upper() if found else ""
    if found is None or (user.establishments and prison not in user.establishments):
        raise PersonNotOnRoll
    return found


def _triage(d: Doing) -> Act:
    return on.Triaged(at=d.now, by=d.user.id, practitioner=d.user.id)


def _seen(d: Doing) -> Act:
    return on.Seen(at=d.now, by=d.user.id, party=d.party)


def _not_found(d: Doing) -> Act:
    return on.Seen(at=d.now, by=d.user.id, party=d.party, found=False)


def _confirm(d: Doing) -> Act:
    sent = d.yes("sent")
    return on.SenderConfirmed(
        at=d.now,
        by=d.user.id,
        party=d.party,
        sent=sent,
        alone=d.yes("alone"),
        pressed=d.yes("pressed"),
    )


def _offer(d: Doing) -> Act:
    return on.Offered(at=d.now, by=d.user.id, party=d.party)


def _prepare(d: Doing) -> Act:
    return on.Prepared(at=d.now, by=d.user.id, party=d.party)


def _name(d: Doing) -> Act:
    """Say who a party is: one whom nobody knows yet, or one more."""
    case, key = d.kept_case.case, d.form.one("party")
    side = case.side(key) if key else None
    person = person_for(d.kept, d.user, d.form.one("number"))
    numbers = {person.prison_number, *person.formerly}
    if any(each.party.number in numbers for each in case.sides if each.key != key):
        raise PartyTwice
    role = d.picked("role", on.Role)
    if side is None:
        taken = {each.key for each in case.sides}
        free = next(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in taken)
        party = Party(key=free, role=role, number=person.prison_number)
    else:
        if is_fixed(side) and side.party.number not in numbers:
            raise PartyFixed
        party = replace(side.party, number=person.prison_number, role=role)
    return on.PartyNamed(at=d.now, by=d.user.id, party=party)


def _role(d: Doing) -> Act:
    side = d.kept_case.case.side(d.party)
    assert side is not None
    party = replace(side.party, role=d.picked("role", on.Role))
    return on.PartyNamed(at=d.now, by=d.user.id, party=party)


def _urge(d: Doing) -> Act:
    return on.Urged(at=d.now, by=d.user.id, party=d.party, why="staff")


def _urgency_met(d: Doing) -> Act:
    return on.UrgencyMet(at=d.now, by=d.user.id, party=d.party)


def _pause(d: Doing) -> Act:
    until = d.coming_day("until") if d.form.one("until").strip() else None
    return on.Paused(at=d.now, by=d.user.id, reason=d.picked("reason", on.Pause), until=until)


def _resume(d: Doing) -> Act:
    return on.Resumed(at=d.now, by=d.user.id, reason=d.picked("reason", on.Pause))


def _manager_agrees(d: Doing) -> Act:
    if not d.user.has(Role.MANAGER):
        raise RoleNotAllowed
    return on.ManagerAgreed(at=d.now, by=d.user.id, party=d.party)


def _rep_left(d: Doing) -> Act:
    return on.RepLeft(at=d.now, by=d.user.id)


def _withdraw(d: Doing) -> Act:
    wish = d.picked("wish", on.Wish)
    if wish is on.Wish.SLIP_CAME:
        raise ActOdd("Nothing was picked, so nothing was kept.", remedy=_PICK)
    return on.Withdrew(at=d.now, by=d.user.id, party=d.party, wish=wish, how="in-person")


def _moved(d: Doing) -> Act:
    places = [d.form.one(name).strip().upper()[:LONGEST_PLACE] for name in ("prison", "wing")]
    plain = "".join(places).replace("-", "").replace(" ", "")
    if not plain or not (plain.isascii() and plain.isalnum()):
        raise ActOdd(remedy="Say the prison, or the wing, in letters and digits.")
    here = places[0] == d.kept_case.establishment
    return on.Moved(
        at=d.now,
        by=d.user.id,
        party=d.party,
        establishment="" if here else places[0],
        wing=places[1],
    )


def _released(d: Doing) -> Act:
    return on.Released(at=d.now, by=d.user.id, party=d.party)


def _close(d: Doing) -> Act:
    """Close a case, or ask for it where a second person has to agree."""
    reason, to = d.picked("reason", on.Reason), ""
    if reason is on.Reason.PASSED:
        to = d.form.one("to")
        if to not in PASSED_TO:
            raise ActOdd(remedy="Say to whom it is passed on.")
    if needs_second(d.kept_case.case, reason):
        return on.CloseAsked(at=d.now, by=d.user.id, reason=reason, passed_to=to)
    return on.Closed(at=d.now, by=d.user.id, reason=reason, passed_to=to)


def _close_agreed(d: Doing) -> Act:
    asked = d.kept_case.case.closing
    if asked is None:
        raise ActOdd(remedy="Nobody has asked to close it.")
    return on.Closed(
        at=d.now,
        by=d.user.id,
        reason=asked.reason,
        passed_to=asked.passed_to,
        asked_by=asked.asked_by,
    )


def _close_refused(d: Doing) -> Act:
    if d.kept_case.case.closing is None:
        raise ActOdd(remedy="Nobody has asked to close it.")
    return on.CloseRefused(at=d.now, by=d.user.id)


def _reopen(d: Doing) -> Act:
    why = " ".join(d.form.one("why").split())[:LONGEST_WHY]
    if not why:
        raise ActOdd(remedy="Say in a few words why it is opened again.")
    return on.Reopened(at=d.now, by=d.user.id, why=why)


def _promise(d: Doing) -> Act:
    """Name a new day; it is said to be late when somebody should have come before."""
    case = d.kept_case.case
    closed = d.kept.cases.closed_days(d.kept_case.establishment)
    tasks = tasks_of(case, d.kept.cases.limits(), closed)
    owed = [each for each in tasks if each.what in (What.FIRST_VISIT, What.WHO)]
    late = case.told_late or any(is_late(each, d.now) for each in owed)
    return on.Promised(at=d.now, by=d.user.id, day=d.coming_day("day"), late=late)


def _answered(d: Doing) -> Act:
    asker = d.kept_case.case.asker
    if asker is None:
        raise ActOdd(remedy="Nobody knows who asked.")
    return on.Answered(at=d.now, by=d.user.id, party=asker.key, how="in-person")


def _renew(d: Doing, day: date) -> None:
    """Have the kiosk say the new day to whoever asked there."""
    for record, form, _at in d.kept.case_intake.records_of(d.kept_case.id):
        serial = record.rpartition("-")[0]
        if form == "rj-1" and d.kept.submissions.find(serial) is not None:
            d.kept.submissions.renew(serial, day, by=d.user.id, at=d.now)


ACTS: Mapping[str, Callable[[Doing], Act]] = {
    "triage": _triage,
    "seen": _seen,
    "not-found": _not_found,
    "confirm": _confirm,
    "offer": _offer,
    "prepare": _prepare,
    "name": _name,
    "role": _role,
    "urge": _urge,
    "urgency-met": _urgency_met,
    "pause": _pause,
    "resume": _resume,
    "manager-agrees": _manager_agrees,
    "rep-left": _rep_left,
    "withdraw": _withdraw,
    "moved": _moved,
    "released": _released,
    "close": _close,
    "close-agreed": _close_agreed,
    "close-refused": _close_refused,
    "reopen": _reopen,
    "promise": _promise,
    "answered": _answered,
}
"""What can be done from a case's page, by what its button sends."""
