"""The environment, read once and frozen."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import platformdirs

from forms.errors import UserError
from pipeline.freshness import Limits


class DataFolderUnusable(UserError):
    """The data folder is a file, or may not be made."""

    code = "data-folder-unusable"
    message = "The folder that COUNTERFOIL_DATA names cannot be made or written to."
    remedy = "Name a folder on this machine's own disk that you may write to."


class KeepYearsOdd(UserError):
    """A consent cannot be kept for what the setting says."""

    code = "keep-years-odd"
    message = "COUNTERFOIL_KEEP_YEARS does not say for how many years consents are kept."
    remedy = "Set it to a whole number from 1 to 99, or unset it: then it is 7."


class SandboxSettingOdd(UserError):
    """Opening files without a sandbox is asked for with another word than yes."""

    code = "sandbox-setting-odd"
    message = "COUNTERFOIL_OPEN_WITHOUT_SANDBOX is set to something else than yes."
    remedy = "Unset it. Only developers set it to yes, on computers without real forms."


class MetricsPortOdd(UserError):
    """What should be a port is none."""

    code = "metrics-port-odd"
    message = "COUNTERFOIL_METRICS_PORT is no port."
    remedy = "Set it to a number from 1 to 65535, another one for each program, or unset it."


class KeyDeskOdd(UserError):
    """The settings of the key desk do not say what they must."""

    code = "key-desk-odd"
    message = "The key desk's number of keys a minute, or a user who may ask there, is not known."
    remedy = (
        "Set COUNTERFOIL_KEY_DESK_RATE to a number from 1 to 99999 and COUNTERFOIL_KEY_DESK_USERS "
        "to users of this computer with commas between them, or unset them."
    )


class DoneDaysOdd(UserError):
    """Files in `done` cannot be kept for what the setting says."""

    code = "done-days-odd"
    message = "COUNTERFOIL_DONE_DAYS does not say for how many days files lie in done/."
    remedy = "Set it to a whole number up to 9999 (0 is for ever), or unset it: then it is 30."


class RollLimitsOdd(UserError):
    """When a roll is stale, or changes too much, is not said as it must be."""

    code = "roll-limits-odd"
    message = "A setting of how old the roll may be, or how much it may change, is no such number."
    remedy = (
        "Set COUNTERFOIL_ROLL_HOURS and COUNTERFOIL_KEEP_APART_HOURS to hours from 1 to 999, "
        "COUNTERFOIL_MASS_PERCENT to a number from 1 to 99 and COUNTERFOIL_MASS_LEAST to one from "
        "1 to 999, or unset them."
    )


class SecondFactorOdd(UserError):
    """The setting of second factors is none that is known."""

    code = "second-factor-odd"
    message = "COUNTERFOIL_SECOND_FACTOR is neither offered nor required."
    remedy = "Set it to required, so that nobody works without one, or to offered, or unset it."


class StaffOriginOdd(UserError):
    """What should be the staff site's address is none."""

    code = "staff-origin-odd"
    message = "COUNTERFOIL_STAFF_ORIGIN is not the address of a site."
    remedy = "Set it to what people type to get there, such as https://rj.example, or unset it."


class SingleSignOnOdd(UserError):
    """An identity provider is named by half."""

    code = "single-sign-on-odd"
    message = "The identity provider of the staff site is not named in full."
    remedy = (
        "Set COUNTERFOIL_OIDC_ISSUER to its https address, and COUNTERFOIL_OIDC_CLIENT_ID and "
        "COUNTERFOIL_OIDC_CLIENT_SECRET to what it gave for this site, or unset all three."
    )


@dataclass(frozen=True, kw_only=True)
class OidcSettings:
    """An identity provider that staff may sign in with.

    Attributes:
        issuer: its address, as its tokens name it.
        client_id: what this site is called there.
        client_secret: what this site shows there.
        claim: what in its tokens is a user name of ours.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    claim: str = "preferred_username"


DONE_DAYS = 30
"""For how many days files lie in `done/` of a watched folder where nobody says otherwise."""

KEY_DESK_RATE = 600
"""How many data keys one session is given a minute where nobody says otherwise."""

KEEP_YEARS = 7
"""For how many years consents are kept where nobody says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are kept, and for how long consents say that they are.

    Attributes:
        data: the folder of the embedded database, blobs and keys.
        keys: the folder of keys; best on another disk than the data.
        site: the short name of this installation, bound into everything that is sealed.
        key_desk: the socket at which `counterfoil work` hands out data keys to processes that
            cannot open them.
        key_desk_users: names of the users whose processes may ask there.
        key_desk_rate: how many keys one session is given a minute.
        database_url: another database than the embedded one; may hold a password.
        blobs_url: another store of files than the folder: `s3://bucket/prefix`. How to get in is
            said by the usual AWS variables, which `storage.s3_blobs` reads.
        mailbox: the folder where a kiosk leaves letters; in the data folder unless it is named.
        status: the folder of what a kiosk may tell about receipt codes; in the data folder unless
            it is named.
        pulses: the folder where a kiosk notes which terminals are alive; in the data folder unless
            it is named.
        alert: the program that tells somebody on duty of an alert; None when nobody is told. Only
            where there is one is anybody asked whether he is in danger.
        keep_years: what a printed consent promises: for how many years it is kept.
        done_days: for how many days files lie in `done/` of a watched folder; 0 is for ever.
        limits: how old the roll and the keep-apart list may be, and how much may change at once.
        open_without_sandbox: developers only: open files where no sandbox holds.
        audit_heads: the file in which heads of the list of events are noted, better on another
            disk; None is `heads.log` in the data folder.
        metrics_port: loopback port for health and metrics of this program; None for none.
        proxy: name or address of the proxy before the site; only it is believed about who asks.
        second_factor: "offered" or "required": whether staff may sign in by a password alone.
        staff_origin: how browsers reach the staff site, such as "https://rj.example"; "" for what
            each request says. Passkeys belong to it.
        oidc: an identity provider that staff may sign in with; None for none.
    """

    data: Path
    keys: Path | None = None
    site: str = "local"
    key_desk: Path | None = None
    key_desk_users: tuple[str, ...] = ()
    key_desk_rate: int = KEY_DESK_RATE
    database_url: str | None = field(default=None, repr=False)
    blobs_url: str | None = field(default=None, repr=False)
    mailbox: Path | None = None
    status: Path | None = None
    pulses: Path | None = None
    alert: Path | None = None
    keep_years: int = KEEP_YEARS
    done_days: int = DONE_DAYS
    limits: Limits = field(default_factory=Limits)
    open_without_sandbox: bool = False
    audit_heads: Path | None = None
    metrics_port: int | None = None
    proxy: str = "127.0.0.1"
    second_factor: str = "offered"
    staff_origin: str = ""
    oidc: OidcSettings | None = None

    @property
    def mailbox_folder(self) -> Path:
        """Give the folder where a kiosk leaves letters."""
        return self.mailbox or self.data / "mailbox"

    @property
    def status_folder(self) -> Path:
        """Give the folder of what a kiosk may tell about receipt codes."""
        return self.status or self.data / "status"

    @property
    def pulse_folder(self) -> Path:
        """Give the folder where a kiosk notes which terminals are alive."""
        return self.pulses or self.data / "pulses"

    @property
    def key_folder(self) -> Path:
        """Give the folder of keys."""
        return self.keys or self.data / "keys"

    @property
    def heads_file(self) -> Path:
        """Give the file of heads."""
        return self.audit_heads or self.data / "heads.log"


def settings() -> Settings:
    """Read the environment.

    Raises:
        KeepYearsOdd: no number of years.
        DoneDaysOdd: no number of days.
        RollLimitsOdd: no number of hours, percent or people.
        MetricsPortOdd: no port.
        SandboxSettingOdd: neither yes nor nothing.
        KeyDeskOdd: no number of keys.
        SecondFactorOdd, StaffOriginOdd, SingleSignOnOdd: how staff sign in is not said rightly.
    """
    folder = os.environ.get("COUNTERFOIL_DATA")
    return Settings(
        data=Path(folder) if folder else Path(platformdirs.user_data_dir("counterfoil", False)),
        keys=_path("COUNTERFOIL_KEYS"),
        site=os.environ.get("COUNTERFOIL_SITE", "").strip().lower() or "local",
        key_desk=_path("COUNTERFOIL_KEY_DESK"),
        key_desk_users=tuple(
            name.strip()
            for name in os.environ.get("COUNTERFOIL_KEY_DESK_USERS", "").split(",")
            if name.strip()
        ),
        key_desk_rate=_rate(os.environ.get("COUNTERFOIL_KEY_DESK_RATE", "").strip()),
        database_url=os.environ.get("COUNTERFOIL_DATABASE_URL") or None,
        blobs_url=os.environ.get("COUNTERFOIL_BLOBS_URL") or None,
        mailbox=_path("COUNTERFOIL_MAILBOX"),
        status=_path("COUNTERFOIL_STATUS"),
        pulses=_path("COUNTERFOIL_PULSES"),
        alert=_path("COUNTERFOIL_ALERT"),
        keep_years=_years(os.environ.get("COUNTERFOIL_KEEP_YEARS", "").strip()),
        done_days=_days(os.environ.get("COUNTERFOIL_DONE_DAYS", "").strip()),
        limits=_limits(),
        open_without_sandbox=_only_yes(os.environ.get("COUNTERFOIL_OPEN_WITHOUT_SANDBOX", "")),
        audit_heads=_path("COUNTERFOIL_AUDIT_HEADS"),
        metrics_port=_port(os.environ.get("COUNTERFOIL_METRICS_PORT", "").strip()),
        proxy=os.environ.get("COUNTERFOIL_PROXY", "").strip() or "127.0.0.1",
        second_factor=_second_factor(os.environ.get("COUNTERFOIL_SECOND_FACTOR", "").strip()),
        staff_origin=_origin(os.environ.get("COUNTERFOIL_STAFF_ORIGIN", "").strip()),
        oidc=_oidc(),
    )


def _second_factor(said: str) -> str:
    if said not in ("", "offered", "required"):
        raise SecondFactorOdd
    return said or "offered"


def _origin(said: str) -> str:
    """Read the address of a site: scheme, host and perhaps a port."""
    if not said:
        return ""
    found = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?/?", said)
    if found is None or (found[1] == "http" and found[2] not in _LOOPBACK):
        raise StaffOriginOdd
    return said.rstrip("/").lower()


_LOOPBACK = ("localhost", "127.0.0.1")


def _oidc() -> OidcSettings | None:
    """Read which identity provider staff may sign in with."""
    names = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET")
    said = [os.environ.get(f"COUNTERFOIL_OIDC_{name}", "").strip() for name in names]
    if not any(said):
        return None
    secure = re.fullmatch(
        r"https://[^\s?#]+|http://(localhost|127\.0\.0\.1)(:[0-9]+)?(/\S*)?", said[0]
    )
    if not all(said) or not secure:
        raise SingleSignOnOdd
    claim = os.environ.get("COUNTERFOIL_OIDC_CLAIM", "").strip() or "preferred_username"
    return OidcSettings(issuer=said[0], client_id=said[1], client_secret=said[2], claim=claim)


def _path(name: str) -> Path | None:
    """Read a setting that names a file or a folder."""
    said = os.environ.get(name)
    return Path(said) if said else None


def _only_yes(said: str) -> bool:
    if said.strip() not in ("", "yes"):
        raise SandboxSettingOdd
    return bool(said.strip())


def _port(said: str) -> int | None:
    """Read a port."""
    if not said:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", said) or int(said) > 65535:
        raise MetricsPortOdd
    return int(said)


def _rate(said: str) -> int:
    """Read how many keys a session is given a minute."""
    if not said:
        return KEY_DESK_RATE
    if not re.fullmatch(r"[1-9][0-9]{0,4}", said):
        raise KeyDeskOdd
    return int(said)


def _years(said: str) -> int:
    """Read for how many years consents are kept."""
    if not said:
        return KEEP_YEARS
    if not re.fullmatch(r"[1-9][0-9]?", said):
        raise KeepYearsOdd
    return int(said)


def _days(said: str) -> int:
    """Read for how many days files lie in `done`."""
    if not said:
        return DONE_DAYS
    if not re.fullmatch(r"[0-9]{1,4}", said):
        raise DoneDaysOdd
    return int(said)


def _limits() -> Limits:
    """Read how old the roll may be, and how much it may change."""
    usual = Limits()
    hours = [
        _whole(f"COUNTERFOIL_{name}_HOURS", 999, int(age / timedelta(hours=1)))
        for name, age in (("ROLL", usual.roll), ("KEEP_APART", usual.apart))
    ]
    return Limits(
        roll=timedelta(hours=hours[0]),
        apart=timedelta(hours=hours[1]),
        share=_whole("COUNTERFOIL_MASS_PERCENT", 99, round(usual.share * 100)) / 100,
        least=_whole("COUNTERFOIL_MASS_LEAST", 999, usual.least),
    )


def _whole(name: str, most: int, usual: int) -> int:
    said = os.environ.get(name, "").strip()
    if not said:
        return usual
    if not re.fullmatch(r"[1-9][0-9]{0,2}", said) or int(said) > most:
        raise RollLimitsOdd
    return int(said)
