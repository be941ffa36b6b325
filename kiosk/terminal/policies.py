"""What the browser may do, as Chromium's managed policies.

Blocking `*` does not block the browser's own pages: their schemes are listed one by one. Policies
are no filter of keys, windows or sub-requests: that is what the other layers are for.

Source: docs/decisions/0060-the-terminal-in-layers.md.
"""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

ISSUER = "counterfoil terminals"
"""Common name of whoever issues terminals their certificates."""

BLOCKED = (
    "*",
    "chrome://*",
    "chrome-untrusted://*",
    "chrome-search://*",
    "chrome-extension://*",
    "devtools://*",
    "about:*",
    "view-source:*",
    "javascript://*",
    "data:*",
    "blob:*",
    "file://*",
    "filesystem:*",
    "ftp://*",
    "mailto:*",
    "tel:*",
    "intent:*",
)

_OFF: dict[str, Any] = {
    "DownloadRestrictions": 3,
    "PrintingEnabled": False,
    "AllowFileSelectionDialogs": False,
    "DefaultPopupsSetting": 2,
    "IncognitoModeAvailability": 1,
    "BrowserGuestModeEnabled": False,
    "BrowserAddPersonEnabled": False,
    "PasswordManagerEnabled": False,
    "AutofillAddressEnabled": False,
    "AutofillCreditCardEnabled": False,
    "TranslateEnabled": False,
    "SpellcheckEnabled": False,
    "SavingBrowserHistoryDisabled": True,
    "AllowDeletingBrowserHistory": False,
    "EditBookmarksEnabled": False,
    "BookmarkBarEnabled": False,
    "SearchSuggestEnabled": False,
    "DefaultSearchProviderEnabled": False,
    "NetworkPredictionOptions": 2,
    "BackgroundModeEnabled": False,
    "MetricsReportingEnabled": False,
    "ComponentUpdatesEnabled": False,
    "BrowserSignin": 0,
    "SyncDisabled": True,
    "AudioCaptureAllowed": False,
    "VideoCaptureAllowed": False,
    "ScreenCaptureAllowed": False,
    "DefaultWebUsbGuardSetting": 2,
    "DefaultWebBluetoothGuardSetting": 2,
    "DefaultWebHidGuardSetting": 2,
    "DefaultSerialGuardSetting": 2,
    "DefaultFileSystemReadGuardSetting": 2,
    "DefaultFileSystemWriteGuardSetting": 2,
    "DefaultGeolocationSetting": 2,
    "DefaultNotificationsSetting": 2,
    "DefaultSensorsSetting": 2,
    "DefaultLocalFontsSetting": 2,
    "DefaultClipboardSetting": 2,
    "ExtensionInstallBlocklist": ["*"],
    "TaskManagerEndProcessEnabled": False,
    "AllowDinosaurEasterEgg": False,
    "DisableScreenshots": True,
    "AllowBackForwardCacheForCacheControlNoStorePageEnabled": False,
    "DnsOverHttpsMode": "off",
    "QuicAllowed": False,
    "CommandLineFlagSecurityWarningsEnabled": False,
    "PromotionsEnabled": False,
    "SafeBrowsingProtectionLevel": 0,
    "GenAiDefaultSettings": 2,
    "ShowHomeButton": False,
    "HomepageIsNewTabPage": False,
    "SSLErrorOverrideAllowed": False,
    "UserFeedbackAllowed": False,
    "SharedClipboardEnabled": False,
    "WebRtcIPHandling": "disable_non_proxied_udp",
}


def policies(
    origin: str,
    *,
    authorities: tuple[str, ...] = (),
    paper: str = "",
    developer_tools: bool = False,
) -> dict[str, Any]:
    """Say what the browser of a terminal may do.

    Args:
        origin: the kiosk, such as `https://kiosk.example:8443`: the only place it may show.
        authorities: certificates (PEM) that it trusts besides the system's.
        paper: path of the page that it may show while the kiosk does not answer.
        developer_tools: leave developer tools and their port open, to be driven in a trial.

    Returns:
        Policies by name, as a managed policy file holds them.

    Raises:
        ValueError: the origin is none, or the path is not one whole path.
    """
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("not an origin")
    origin = f"{parts.scheme}://{parts.netloc}"
    if paper and not (paper.startswith("/") and paper.isascii() and paper.endswith(".html")):
        raise ValueError("not the path of a page")
    chosen = json.dumps({"pattern": origin, "filter": {"ISSUER": {"CN": ISSUER}}})
    return {
        **_OFF,
        "URLBlocklist": list(BLOCKED),
        # A dot before the name: this very host, not those below it.
        "URLAllowlist": [
            f"{parts.scheme}://.{parts.netloc}",
            *([f"file://{paper}"] if paper else []),
        ],
        "DeveloperToolsAvailability": 1 if developer_tools else 2,
        "RemoteDebuggingAllowed": developer_tools,
        "HomepageLocation": f"{origin}/",
        "NewTabPageLocation": f"{origin}/",
        "RestoreOnStartup": 4,
        "RestoreOnStartupURLs": [f"{origin}/"],
        "AutoSelectCertificateForUrls": [chosen],
        "CACertificates": [
            base64.b64encode(ssl.PEM_cert_to_DER_cert(each)).decode() for each in authorities
        ],
    }


def policy_file(origin: str, *, authorities: tuple[str, ...] = (), paper: str = "") -> str:
    """Write the managed policy file of a terminal."""
    told = policies(origin, authorities=authorities, paper=paper)
    return json.dumps(told, indent=1, sort_keys=True) + "\n"
