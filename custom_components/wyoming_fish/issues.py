"""The repair issues: what a person has to do so that there is speech."""

from decimal import Decimal

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import (
    BACKEND_NAMES,
    BILLING_URL,
    CONF_BACKEND,
    CONF_VOICE,
    DOMAIN,
    FREE_BACKEND,
    RETIREMENT_DATE,
    RETIRING_BACKEND,
    SUCCESSOR_BACKEND,
    VOICES_URL,
)
from .fish import LOW_CREDIT
from .markdown import escaped

VOICE_ISSUES = ("voice_gone", "voice_silent")


@callback
def check_credit(hass: HomeAssistant, entry: ConfigEntry, amount: Decimal) -> None:
    """Warn of API credit (US dollars) that is gone or low, where a voice of ``entry`` needs it."""
    ids = {kind: f"{kind}_{entry.entry_id}" for kind in ("no_credit", "low_credit")}
    paid = any(voice.data[CONF_BACKEND] != FREE_BACKEND for voice in entry.subentries.values())
    gone = amount <= 0
    # Each has an id of its own: a person who ignores the one has not ignored the other.
    told = None if amount >= LOW_CREDIT or not paid else "no_credit" if gone else "low_credit"
    for kind, issue_id in ids.items():
        if kind != told:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
    if told is None:
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        ids[told],
        is_fixable=False,
        learn_more_url=BILLING_URL,
        severity=ir.IssueSeverity.ERROR if gone else ir.IssueSeverity.WARNING,
        translation_key=told,
        translation_placeholders={
            "account": escaped(entry.title),
            "amount": f"{amount:.2f}",
            "free": BACKEND_NAMES[FREE_BACKEND],
            "billing_url": BILLING_URL,
        },
    )


@callback
def no_credit(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Tell that Fish has refused to speak for want of API credit."""
    check_credit(hass, entry, Decimal(0))


@callback
def voice_is_gone(hass: HomeAssistant, entry: ConfigEntry, voice: ConfigSubentry) -> None:
    """Tell that the voice that was chosen does not exist any more."""
    _voice_issue(hass, entry, voice, "voice_gone")


@callback
def voice_is_there(hass: HomeAssistant, entry: ConfigEntry, voice: ConfigSubentry) -> None:
    """Take back that the voice does not exist."""
    ir.async_delete_issue(hass, DOMAIN, _voice_id(entry, voice, "voice_gone"))


@callback
def voice_is_silent(hass: HomeAssistant, entry: ConfigEntry, voice: ConfigSubentry) -> None:
    """Tell that Fish has answered for the voice, and said nothing."""
    _voice_issue(hass, entry, voice, "voice_silent")


@callback
def voice_speaks(hass: HomeAssistant, entry: ConfigEntry, voice: ConfigSubentry) -> None:
    """Take back all that was told of the voice: it has spoken."""
    voice_is_there(hass, entry, voice)
    ir.async_delete_issue(hass, DOMAIN, _voice_id(entry, voice, "voice_silent"))


def _voice_issue(hass: HomeAssistant, entry: ConfigEntry, voice: ConfigSubentry, kind: str) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        _voice_id(entry, voice, kind),
        data=_voice_data(voice),
        is_fixable=False,
        learn_more_url=VOICES_URL,
        severity=ir.IssueSeverity.ERROR,
        translation_key=kind,
        translation_placeholders={
            "account": escaped(entry.title),
            # The issue's title is plain text, and its description is Markdown.
            "title": voice.title,
            "name": escaped(voice.title),
            "voice": escaped(str(voice.data[CONF_VOICE])),
        },
    )


def _voice_data(voice: ConfigSubentry) -> dict[str, str | int | float | None]:
    """Return what an issue of the voice is about; it ends when this changes."""
    return {name: voice.data[name] for name in (CONF_VOICE, CONF_BACKEND)}


def _voice_id(entry: ConfigEntry, voice: ConfigSubentry, kind: str) -> str:
    return f"{kind}_{entry.entry_id}_{voice.subentry_id}"


@callback
def check_backends(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Offer to replace a backend that retires, where a voice of ``entry`` has it."""
    issue_id = f"backend_{entry.entry_id}"
    names = [
        escaped(voice.title)
        for voice in entry.subentries.values()
        if voice.data[CONF_BACKEND] == RETIRING_BACKEND
    ]
    if not names:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data={"entry_id": entry.entry_id},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key="backend_retires",
        translation_placeholders={
            "names": ", ".join(names),
            "backend": BACKEND_NAMES[RETIRING_BACKEND],
            "date": RETIREMENT_DATE,
            "successor": BACKEND_NAMES[SUCCESSOR_BACKEND],
        },
    )


@callback
def forget_outdated(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take back what was told of voices of ``entry`` that have been removed or changed.

    All else stays, since a person may have ignored it, and is taken back by the next look. What was
    ignored before a restart stays too: only its id is left.
    """
    current = {
        _voice_id(entry, voice, kind): _voice_data(voice)
        for voice in entry.subentries.values()
        for kind in VOICE_ISSUES
    }
    for issue in list(ir.async_get(hass).issues.values()):
        if (
            issue.domain == DOMAIN
            and issue.translation_key in VOICE_ISSUES
            and entry.entry_id in issue.issue_id
            and issue.data != current.get(issue.issue_id)
        ):
            ir.async_delete_issue(hass, DOMAIN, issue.issue_id)


@callback
def forget(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take back all that was told of ``entry``, since it is removed."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and entry.entry_id in issue_id:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
