import json

import pytest

from kiosk.terminal.policies import policies, policy_file

ORIGIN = "https://kiosk.example:8443"


def test_the_browsers_own_pages_are_listed_since_a_star_does_not_mean_them() -> None:
    blocked = policies(ORIGIN)["URLBlocklist"]
    assert {"*", "chrome://*", "chrome-untrusted://*", "devtools://*", "view-source:*"} <= {
        *blocked
    }


def test_one_host_is_allowed_and_none_below_it() -> None:
    assert policies(f"{ORIGIN}/")["URLAllowlist"] == ["https://.kiosk.example:8443"]


def test_one_file_is_allowed_beside_it_and_only_where_it_is_named() -> None:
    told = policies(ORIGIN, paper="/opt/terminal/paper.html")
    assert told["URLAllowlist"][1:] == ["file:///opt/terminal/paper.html"]
    assert "file://*" in told["URLBlocklist"]
    for odd in ("paper.html", "/opt/terminal", "/"):
        with pytest.raises(ValueError, match="page"):
            policies(ORIGIN, paper=odd)


def test_a_terminal_has_no_developer_tools_and_no_port() -> None:
    told = json.loads(policy_file(ORIGIN))
    assert (told["DeveloperToolsAvailability"], told["RemoteDebuggingAllowed"]) == (2, False)


def test_a_trial_differs_by_developer_tools_alone() -> None:
    real, driven = policies(ORIGIN), policies(ORIGIN, developer_tools=True)
    different = {name for name in real if real[name] != driven[name]}
    assert different == {"DeveloperToolsAvailability", "RemoteDebuggingAllowed"}


@pytest.mark.parametrize("odd", ["kiosk.example", "ftp://kiosk.example", f"{ORIGIN}/a", ""])
def test_what_is_no_origin_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        policies(odd)
