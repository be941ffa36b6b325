"""Results as others read them: the `read` command's JSON. Its keys are a public contract."""

from __future__ import annotations

import math
from typing import Any

from pipeline.stages import PageRead, PersonMatch, Quarantined, Reading

_NOBODY: dict[str, Any] = {
    "match": None,
    "confidence": 0.0,
    "agreed": [],
    "candidates": [],
    "why": [],
}


def page_line(result: PageRead | Quarantined, *, roll_given: bool = False) -> dict[str, Any]:
    """Give one page as the `read` command prints it, one JSON object a line.

    Args:
        result: what became of the page.
        roll_given: there is a roll to match people against, so each line says who it is, a page
            set aside that it is nobody.
    """
    if isinstance(result, Quarantined):
        return _set_aside(result, roll_given=roll_given)
    line: dict[str, Any] = {
        "source": result.source,
        "page_index": result.page_index,
        "status": "read",
        "reason": None,
        "form": result.id.form,
        "version": result.id.version,
        "language": result.id.language,
        "large_print": result.id.large_print,
        "serial": result.id.serial,
        "page": result.id.page,
        "pages": result.pages,
        "registration": {
            "rotation_deg": result.rotation_deg,
            "scale": result.scale,
            "residual_mm": result.residual_mm,
        },
        "warnings": list(result.warnings),
        "fields": {r.field: _field(r) for r in result.readings},
    }
    if result.people:
        line["person"] = _person(result.people[0])
        line["people"] = {match.person: _person(match) for match in result.people}
    elif result.roll_given or roll_given:
        line["person"] = dict(_NOBODY)
    line["seconds"] = round(result.seconds, 4)
    return line


def _set_aside(result: Quarantined, *, roll_given: bool) -> dict[str, Any]:
    page = result.id
    line = {
        "source": result.source,
        "page_index": result.page_index,
        "status": "set-aside",
        "reason": {"code": result.code, "message": result.message, "remedy": result.remedy},
        "form": page.form if page else None,
        "version": page.version if page else None,
        "language": page.language if page else None,
        "large_print": page.large_print if page else None,
        "serial": page.serial if page else None,
        "page": page.page if page else None,
        "pages": None,
        "registration": dict(result.registration) if result.registration else None,
        "warnings": list(result.warnings),
        "fields": {},
    }
    if roll_given:
        line["person"] = dict(_NOBODY)
    return {**line, "seconds": round(result.seconds, 4)}


def _rounded(confidence: float) -> float:
    """Round down: no more is claimed than the reader does."""
    return math.floor(confidence * 10_000) / 10_000


def _field(reading: Reading) -> dict[str, Any]:
    value = list(reading.value) if isinstance(reading.value, tuple) else reading.value
    out: dict[str, Any] = {
        "kind": reading.kind,
        "state": reading.state.value,
        "value": value,
        "confidence": _rounded(reading.confidence),
        "review": reading.review,
        "why": list(reading.why),
    }
    if reading.options is not None:
        out["options"] = {
            name: {
                "state": mark.state.value,
                "score": round(mark.score, 3),
                "confidence": _rounded(mark.confidence),
            }
            for name, mark in reading.options.items()
        }
    if reading.candidates:
        out["candidates"] = [[text, round(p, 4)] for text, p in reading.candidates]
    if reading.kind == "free_text" or reading.suggestion is not None:
        out["suggestion"] = reading.suggestion
    return out


def _person(match: PersonMatch) -> dict[str, Any]:
    return {
        "match": match.match,
        "confidence": round(match.confidence, 4),
        "agreed": list(match.agreed),
        "candidates": [[number, round(p, 4)] for number, p in match.candidates],
        "why": list(match.why),
    }
