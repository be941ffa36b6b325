"""People at the glass, made up: what their browsers ask of a kiosk, and when.

Hundreds of them live in one loop of one process, over plain sockets, so that they cost little
beside what they measure. A browser asks what the real page asks: each screen and whatever files
of it are not in its cache, whether the server is there every two seconds, and now and then a sound.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bench.wing_site import Enrolled
from forms.fields import Choice, FreeText
from forms.page_id import parse_serial
from kiosk.wing.questions import asked, question_named, spoken

ALIVE_SECONDS = 2.0
"""How often the page's script asks whether the server is there."""

ANSWER_SECONDS = 20.0
"""Whoever gets no answer for so long has met an error."""

IDLE_SECONDS = 3.0
"""A connection that lay idle for longer is not used again, as the shipped proxy does it."""

TOLD_AFTER_SECONDS = 10.0
"""How old a receipt is before somebody asks about it."""

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]*)"')
_SCREEN = re.compile(r'data-screen="([^"]*)"')
_FILE = re.compile(r'(?:href|src)="(/static/[^"]+)"')
_HEAR = re.compile(r'data-hear="(\d+)"')
_CODE = re.compile(r'id="code">([^<]+)<')
_AGE = re.compile(r"max-age=(\d+)")


class Answer(NamedTuple):
    """What a server answered, and after how many seconds all of it was there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Broken(Exception):
    """A server that did not answer as HTTP has it."""


class Wire:
    """Connections to one server, used again as a proxy before it would."""

    def __init__(self, port: int, host: str = "kiosk.counterfoil.internal") -> None:
        self._port, self._host = port, host
        self._idle: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Ask, and wait for the whole answer.

        Raises:
            OSError, TimeoutError, Broken: there was none.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            lines += [f"Content-Length: {len(body)}"]
            lines += ["Content-Type: application/x-www-form-urlencoded"]
        sent = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        began = time.perf_counter()
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await self._connection()
            try:
                writer.write(sent)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *rest = head[:-4].split("\r\n")
                told: dict[str, str] = {}
                for line in rest:
                    name, _, value = line.partition(": ")
                    told[name.lower()] = value
                length = int(told.get("content-length", "0"))
                answered = await reader.readexactly(length) if length else b""
            except (asyncio.IncompleteReadError, ValueError):
                writer.close()
                raise Broken from None
            except BaseException:
                writer.close()
                raise
        if told.get("connection", "") == "close":
            writer.close()
        else:
            self._idle.append((time.monotonic(), reader, writer))
        return Answer(int(first.split()[1]), told, answered, time.perf_counter() - began)

    def close(self) -> None:
        """Let go of every connection."""
        while self._idle:
            self._idle.pop()[2].close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)


class Receipt(NamedTuple):
    """What was shown to somebody who has handed in."""

    code: str
    number: str
    asks: str
    at: float


@dataclass
class Seen:
    """What happened at all the terminals together.

    Attributes:
        times: seconds until the answers were there, by what was asked.
        errors: answers that no person should get, by what they were.
        receipts: every receipt that was shown.
        did: how often what was done.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    receipts: list[Receipt] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)


class Ended(Exception):
    """It is time to go."""


class Glass:
    """One terminal's browser.

    Args:
        wire: the way to the kiosk.
        terminal: what the proxy says of it.
        seen: where it is noted how it went.
    """

    def __init__(self, wire: Wire, terminal: Enrolled, seen: Seen) -> None:
        self._wire, self._seen = wire, seen
        self._headers = {**terminal.headers, "X-Forwarded-For": "10.0.0.1", "Accept": "text/html"}
        self._cookie = ""
        self._cached: dict[str, float] = {}
        self.html = ""

    @property
    def screen(self) -> str:
        """Name the screen that stands there."""
        found = _SCREEN.search(self.html)
        return found[1] if found else ""

    async def ask(
        self, kind: str, method: str, path: str, expect: Sequence[int], sent: bytes = b""
    ) -> Answer:
        """Ask the server; what it should not have answered is noted."""
        headers = dict(self._headers)
        if self._cookie:
            headers["Cookie"] = self._cookie
        if method == "POST":
            headers["Sec-Fetch-Site"] = "same-origin"
        try:
            answer = await self._wire.ask(method, path, headers, sent)
        except (OSError, TimeoutError, Broken) as problem:
            self._seen.errors[f"{kind}: {type(problem).__name__}"] += 1
            raise Ended from None
        self._seen.times[kind].append(answer.seconds)
        if answer.status not in expect:
            self._seen.errors[f"{kind}: status {answer.status}"] += 1
            raise Ended
        return answer

    async def look(self) -> None:
        """Load the screen, and whatever files of it are not in the cache."""
        answer = await self.ask("screen", "GET", "/", (200,))
        self._note(answer)
        self.html = answer.body.decode()
        now = time.monotonic()
        files = [f for f in dict.fromkeys(_FILE.findall(self.html)) if self._cached.get(f, 0) < now]
        await asyncio.gather(*(self._file(each) for each in files))

    async def _file(self, path: str) -> None:
        answer = await self.ask("file", "GET", path, (200,))
        age = _AGE.search(answer.headers.get("cache-control", ""))
        self._cached[path] = time.monotonic() + (int(age[1]) if age else 0)

    async def touch(self, **form: Any) -> None:
        """Press something, and see the next screen."""
        token = _CSRF.search(self.html)
        told = {"csrf": token[1] if token else "", "step": self.screen, **form}
        last = form.get("act") == "on" and self.screen == "check"
        kind = "handing in" if last or form.get("last") else "touch"
        told.pop("last", None)
        began = time.perf_counter()
        sent = urlencode(told, doseq=True).encode()
        self._note(await self.ask(kind, "POST", "/touch", (303,), sent))
        await self.look()
        self._seen.times["from a touch to the next screen"].append(time.perf_counter() - began)

    async def listen(self) -> None:
        """Hear the first two strings of the screen."""
        for number in _HEAR.findall(self.html)[:2]:
            await self.ask("sound", "GET", f"/hear/{number}", (200,))
            await asyncio.sleep(1.5)

    async def alive(self) -> None:
        """Ask for ever whether the server is there."""
        await asyncio.sleep(random.uniform(0, ALIVE_SECONDS))
        while True:
            with suppress(Ended):
                await self.ask("alive", "GET", "/alive", (204,))
            await asyncio.sleep(ALIVE_SECONDS)

    def _note(self, answer: Answer) -> None:
        told = answer.headers.get("set-cookie", "")
        if told:
            self._cookie = "" if "Max-Age=0" in told else told.partition(";")[0]
        if "cache" in answer.headers.get("clear-site-data", ""):
            self._cached.clear()


@dataclass
class Guest:
    """Whoever comes to one terminal, one after another.

    Attributes:
        glass: the terminal's browser.
        seen: what happened.
        chance: what he decides by.
        pace: shortest and longest time between two touches, seconds.
        until: when nobody touches anything any more, by `time.monotonic`.
        numbers: gives a prison number that nobody else gives.
    """

    glass: Glass
    seen: Seen
    chance: random.Random
    pace: tuple[float, float]
    until: float
    numbers: Callable[[], str]

    async def live(self) -> None:
        """Come, do something, go, and come again until it is over."""
        with suppress(Ended):
            await self._rest(self.chance.uniform(0, self.pace[1]))
        while time.monotonic() < self.until:
            try:
                await self.glass.look()
                ways = (self.whole_form, self.come, self.status, self.stop)
                (way,) = self.chance.choices(ways, (40, 25, 25, 10))
                await way()
            except Ended:
                with suppress(Ended):
                    await self._rest(self.chance.uniform(*self.pace))

    async def whole_form(self) -> None:
        """Fill in the whole form and hand it in."""
        await self._hand_in("full", stops=False)

    async def come(self) -> None:
        """Ask that somebody comes."""
        await self._hand_in("come", stops=False)

    async def stop(self) -> None:
        """Begin, and think better of it."""
        await self._hand_in("full", stops=True)

    async def status(self) -> None:
        """Ask how far a request is."""
        old = time.monotonic() - TOLD_AFTER_SECONDS
        known = [each for each in self.seen.receipts[:300] if each.at < old]
        if not known:
            await self.come()
            return
        code = self.chance.choice(known).code
        await self._touch(act="status")
        await self._touch(act="on", typed=code)
        if self.glass.screen == "code":
            self.seen.did["asked by a code that no worker had kept yet"] += 1
            await self._touch(act="back")
        elif self.glass.screen == "status":
            self.seen.did["asked by a code"] += 1
            await self._touch(act="on")
        else:
            self._odd()

    async def _hand_in(self, asks: str, *, stops: bool) -> None:
        number = self.numbers()
        leaves_after = self.chance.randint(2, 12) if stops else 1000
        listens = self.chance.random() < 0.1
        await self._touch(act="ask")
        for touches in range(60):
            screen = self.glass.screen
            if touches >= leaves_after:
                await self._touch(act="stop")
                self.seen.did["stopped"] += 1
                return
            if screen == "done":
                shown = _CODE.search(self.glass.html)
                code = parse_serial(shown[1]) if shown else ""
                self.seen.receipts.append(Receipt(code, number, asks, time.monotonic()))
                self.seen.did[f"handed in: {asks}"] += 1
                await self._touch(act="on")
                return
            if screen == "rest":
                self.seen.errors["a draft was gone"] += 1
                return
            if screen in ("not-kept", "wrong", ""):
                self._odd()
            if listens and screen in ("want", "private"):
                listens = False
                await self.glass.listen()
            await self._touch(**self._answer(screen, asks, number))
        self._odd()

    def _answer(self, screen: str, asks: str, number: str) -> dict[str, Any]:
        """Say what he presses on a screen."""
        match screen:
            case "private":
                return {"act": "come" if asks == "come" else "on"}
            case "danger":
                return {"pick": "no" if self.chance.random() < 0.97 else "yes"}
            case "number":
                return {"act": "on", "typed": number, **({"last": 1} if asks == "come" else {})}
        question = question_named(screen)
        if question is None:
            return {"act": "on"}
        if self.chance.random() < 0.1:
            return {"act": "skip"}
        first = asked(question.fields[0])
        match first:
            case Choice(many=False):
                calm = [o.name for o in first.options if not o.urgent]
                rare = self.chance.random() < 0.03
                offered = [o.name for o in first.options] if rare else calm
                return {"pick": self.chance.choice(offered)}
            case Choice():
                offered = [
                    f"{name}:{o.name}"
                    for name in question.fields
                    for o in getattr(asked(name), "options", ())
                ]
                most = min(2, len(offered))
                return {"act": "on", "picks": self.chance.sample(offered, most)}
            case FreeText():
                return {"act": "on", "typed": self.chance.choice(("DAVE", "SMITHY", ""))}
            case _:
                return {"pick": self.chance.choice(list(spoken()))}

    def _odd(self) -> None:
        self.seen.errors[f"screen: {self.glass.screen or 'none'}"] += 1
        raise Ended

    async def _touch(self, **form: Any) -> None:
        await self._rest(self.chance.uniform(*self.pace))
        await self.glass.touch(**form)

    async def _rest(self, seconds: float) -> None:
        left = self.until - time.monotonic()
        await asyncio.sleep(max(0.0, min(seconds, left)))
        if left <= seconds:
            raise Ended


def numbers() -> Callable[[], str]:
    """Give what makes prison numbers, never one twice."""
    letters, at = "ABCDEFGH", -1

    def next_one() -> str:
        nonlocal at
        at += 1
        high = at // 10_000
        ends = letters[high // 8 % 8] + letters[high // 64 % 8]
        return f"{letters[high % 8]}{at % 10_000:04}{ends}"

    return next_one


@asynccontextmanager
async def _asking(glasses: Sequence[Glass]) -> AsyncIterator[None]:
    """Have every glass ask whether the server is there meanwhile."""
    asking = [asyncio.create_task(each.alive()) for each in glasses]
    try:
        yield
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def live(
    port: int,
    terminals: Sequence[Enrolled],
    *,
    seconds: float,
    pace: tuple[float, float],
    seed: int = 1,
) -> Seen:
    """Have somebody at every terminal for so long.

    Args:
        port: the kiosk's.
        terminals: those that are enrolled.
        seconds: how long anybody touches anything.
        pace: shortest and longest time between two touches of one person, seconds.
        seed: of what people decide.
    """
    seen, wire, number = Seen(), Wire(port), numbers()
    glasses = [Glass(wire, each, seen) for each in terminals]
    until = time.monotonic() + seconds
    people = [
        Guest(
            glass=each,
            seen=seen,
            chance=random.Random(f"{seed} {n}"),
            pace=pace,
            until=until,
            numbers=number,
        )
        for n, each in enumerate(glasses)
    ]
    async with _asking(glasses):
        done: list[Awaitable[None]] = [each.live() for each in people]
        await asyncio.gather(*done)
    wire.close()
    return seen
