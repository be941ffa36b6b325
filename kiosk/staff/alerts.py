"""Alerts, and how far a kiosk's request is: what has to be seen to today, and that it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import queue, wording
from kiosk.staff.kit import Given, Shown
from kiosk.staff.rights import VERIFIERS, may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import KeptRecord
from storage.alerts import Alert, AlertUnknown
from storage.case_intake import HasCase
from storage.records import RecordUnknown
from storage.store import Kept
from storage.submissions import NotThatDay, SubmissionUnknown

SEES_TO = (Role.PRACTITIONER, Role.MANAGER)
"""Who goes to see people, and says so."""


@dataclass(frozen=True, kw_only=True)
class AlertShown:
    """An alert as its page shows it."""

    action: str
    what: str
    at_once: bool
    where: str
    number: str = field(default="", repr=False)
    came: str
    record: str = ""
    seen: str = ""


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of alerts and of requests from a kiosk."""
    verifiers, seeing = router_for(*VERIFIERS), router_for(*SEES_TO)

    @verifiers.get("/alerts")
    def alerts(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List what nobody has taken on yet, and what was taken on last."""
        now = office.kit.now()
        with office.kit.store.look() as kept:
            waiting = kept.alerts.waiting(establishments=user.establishments)
            taken = kept.alerts.taken(establishments=user.establishments)
            names = queue.names_of(kept, {each.seen_by for each in taken})
            shown_now = [_shown(kept, user, each, now, names) for each in waiting]
            shown_before = [_shown(kept, user, each, now, names) for each in taken]
        shown("list-viewed", "alerts")
        return show(
            request, "alerts.html", title=_("Alerts"), waiting=shown_now, taken=shown_before
        )

    @verifiers.post("/alerts/{alert_id}/seen")
    def seen(alert_id: str, user: SignedIn, office: Given) -> Response:
        """Take an alert on."""
        with office.kit.store.begin() as kept:
            found = kept.alerts.get(alert_id)
            if not _may_see(user, found):
                raise AlertUnknown
            kept.alerts.see(alert_id, by=user.id, at=office.kit.now())
        return see_other("/alerts")

    @seeing.post("/records/{record_id}/request")
    def move(record_id: str, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Say how far a kiosk's request is, which the man is then told with his code.

        Raises:
            NotThatDay: a new day that cannot be.
            HasCase: it has become a case.
        """
        now, act = office.kit.now(), form.one("act")
        with office.kit.store.begin() as kept:
            record = kept.records.get(record_id)
            if not may_open(user, record):
                raise RecordUnknown
            if record.asked is None:
                raise SubmissionUnknown
            if kept.case_intake.case_of(record_id):
                raise HasCase
            if act == "seen":
                kept.submissions.seen(record.serial, by=user.id, at=now)
            elif act == "finish":
                kept.submissions.finish(record.serial, by=user.id, at=now)
            else:
                kept.submissions.renew(record.serial, _day(form.one("day")), by=user.id, at=now)
        return see_other(f"/records/{record_id}")

    return verifiers, seeing


def _day(sent: str) -> date:
    try:
        return date.fromisoformat(sent)
    except ValueError:
        raise NotThatDay from None


def _may_see(user: User, alert: Alert) -> bool:
    return not user.establishments or alert.establishment in ("", *user.establishments)


def _shown(
    kept: Kept, user: User, alert: Alert, now: datetime, names: Mapping[str, str]
) -> AlertShown:
    terminal = kept.terminals.find(alert.terminal) if alert.terminal else None
    where = ", ".join(
        each
        for each in (alert.establishment, alert.wing, terminal.name if terminal else "")
        if each
    )
    record = _record_of(kept, user, alert)
    # Whom a form about staff is from is for those who see such forms; that he needs help is not.
    # Nor, to whoever is kept to some wings, whom one of another is about.
    told = not alert.confidential or user.has(Role.SENIOR, Role.MANAGER)
    theirs = not user.wings or alert.wing in user.wings
    named = alert.number if told and theirs else ""
    seen = ""
    if alert.seen_at is not None:
        who = names.get(alert.seen_by, alert.seen_by)
        seen = f"{who}, {wording.clock(alert.seen_at, now)}"
    return AlertShown(
        action=f"/alerts/{alert.id}/seen",
        what=_(wording.ALERTS.get(f"{alert.kind}/{alert.answer}", wording.ALERTS[alert.kind])),
        at_once=alert.at_once,
        where=where or _("It is not known where"),
        number=named or "",
        came=wording.clock(alert.at, now),
        record=f"/records/{record.id}" if record else "",
        seen=seen,
    )


def _record_of(kept: Kept, user: User, alert: Alert) -> KeptRecord | None:
    """Find the record that an alert is about, if this person may see it."""
    if not alert.serial:
        return None
    found = kept.records.of_serial(alert.serial)
    return next((each for each in found if may_open(user, each)), None)
