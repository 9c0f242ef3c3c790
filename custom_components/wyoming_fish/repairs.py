"""Repairs: what a person has to do so that the voices speak."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import (
    BACKEND_NAMES,
    BILLING_URL,
    CONF_BACKEND,
    CONF_LOW_CREDIT,
    DOMAIN,
    FREE_BACKEND,
    RETIREMENT_DATE,
    RETIRING_BACKEND,
    SUCCESSOR_BACKEND,
    VOICES_URL,
)
from .fish import LOW_CREDIT, SlowLine
from .forms.markdown import escaped
from .speech.voices import configured_voices

if TYPE_CHECKING:
    # Newer than the oldest Home Assistant that this runs on.
    from homeassistant.components.repairs import RepairsFlowResult

    # It imports this module.
    from .coordinator import FishConfigEntry

VOICE_ISSUES = ("voice_gone", "voice_silent", "free_model_refused")


@callback
def update_credit_issues(hass: HomeAssistant, entry: FishConfigEntry, amount: Decimal) -> None:
    """Create or delete the issues of low and used up API credit (US dollars) of ``entry``.

    Only voices with a paid model need credit.
    """
    ids = {kind: f"{kind}_{entry.entry_id}" for kind in ("no_credit", "low_credit")}
    paid = any(voice.data[CONF_BACKEND] != FREE_BACKEND for voice in entry.subentries.values())
    is_used_up = amount <= 0
    # Each has its own id: ignoring one does not ignore the other.
    current = None
    limit = Decimal(str(entry.options.get(CONF_LOW_CREDIT, LOW_CREDIT)))
    if paid and (is_used_up or amount < limit):
        current = "no_credit" if is_used_up else "low_credit"
    for kind, issue_id in ids.items():
        if kind != current:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
    if current is None:
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        ids[current],
        is_fixable=False,
        learn_more_url=BILLING_URL,
        severity=ir.IssueSeverity.ERROR if is_used_up else ir.IssueSeverity.WARNING,
        translation_key=current,
        translation_placeholders={
            "account": escaped(entry.title),
            "amount": f"{amount:.2f}",
            "free": BACKEND_NAMES[FREE_BACKEND],
            "billing_url": BILLING_URL,
        },
    )


@callback
def create_no_credit_issue(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Create the issue of used up credit, since Fish Audio refused to speak without it."""
    update_credit_issues(hass, entry, Decimal(0))


@callback
def create_voice_missing_issue(
    hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry, voice_id: str
) -> None:
    """Create the issue of a voice that no longer exists."""
    _create_voice_issue(hass, entry, voice, "voice_gone", voice_id)


@callback
def delete_voice_missing_issue(
    hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry
) -> None:
    """Delete the issue of a voice that no longer exists."""
    ir.async_delete_issue(hass, DOMAIN, _voice_issue_id(entry, voice, "voice_gone"))


@callback
def create_voice_silent_issue(
    hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry, voice_id: str
) -> None:
    """Create the issue of a voice for which Fish Audio returned no audio."""
    _create_voice_issue(hass, entry, voice, "voice_silent", voice_id)


@callback
def create_free_model_issue(
    hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry
) -> None:
    """Create the issue that Fish Audio refuses the free model."""
    _create_voice_issue(hass, entry, voice, "free_model_refused", "")


@callback
def delete_voice_issues(hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
    """Delete all issues of a voice, since it has spoken."""
    for kind in VOICE_ISSUES:
        ir.async_delete_issue(hass, DOMAIN, _voice_issue_id(entry, voice, kind))


def _create_voice_issue(
    hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry, kind: str, voice_id: str
) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        _voice_issue_id(entry, voice, kind),
        data=_voice_issue_data(voice),
        is_fixable=False,
        learn_more_url=VOICES_URL,
        severity=ir.IssueSeverity.ERROR,
        translation_key=kind,
        translation_placeholders={
            "account": escaped(entry.title),
            # The issue's title is plain text, and its description is Markdown.
            "title": voice.title,
            "name": escaped(voice.title),
            "voice": escaped(voice_id),
        },
    )


def _voice_issue_data(voice: ConfigSubentry) -> dict[str, str | int | float | None]:
    """Return the settings that an issue of the voice is about; a change of them deletes it."""
    return {
        "voices": " ".join(configured_voices(voice)),
        CONF_BACKEND: voice.data[CONF_BACKEND],
    }


def _voice_issue_id(entry: FishConfigEntry, voice: ConfigSubentry, kind: str) -> str:
    return f"{kind}_{entry.entry_id}_{voice.subentry_id}"


@callback
def update_retiring_backend_issue(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Create or delete the issue of a retiring backend that a voice of ``entry`` uses."""
    issue_id = f"backend_{entry.entry_id}"
    voices = _retiring_voices(entry)
    if not voices:
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
        translation_placeholders=_retirement_placeholders(voices),
    )


def _retiring_voices(entry: FishConfigEntry) -> list[ConfigSubentry]:
    return [
        voice for voice in entry.subentries.values() if voice.data[CONF_BACKEND] == RETIRING_BACKEND
    ]


def _retirement_placeholders(voices: list[ConfigSubentry]) -> dict[str, str]:
    return {
        "names": ", ".join(escaped(voice.title) for voice in voices),
        "backend": BACKEND_NAMES[RETIRING_BACKEND],
        "date": RETIREMENT_DATE,
        "successor": BACKEND_NAMES[SUCCESSOR_BACKEND],
    }


@callback
def create_fallback_issue(hass: HomeAssistant, entry: FishConfigEntry, fallback: str) -> None:
    """Create the issue that the entity ``fallback`` speaks instead of Fish Audio."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        _fallback_issue_id(entry),
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key="fallback_active",
        translation_placeholders={
            "account": escaped(entry.title),
            "fallback": escaped(fallback),
        },
    )


@callback
def delete_fallback_issue(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Delete the issue of the fallback voice, since Fish Audio speaks again."""
    ir.async_delete_issue(hass, DOMAIN, _fallback_issue_id(entry))


def _fallback_issue_id(entry: FishConfigEntry) -> str:
    return f"fallback_active_{entry.entry_id}"


@callback
def update_slow_line_issue(
    hass: HomeAssistant, entry: FishConfigEntry, slow_line: SlowLine | None
) -> None:
    """Create or delete the issue that audio comes slower than it plays."""
    issue_id = f"slow_line_{entry.entry_id}"
    if slow_line is None:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key="slow_line",
        translation_placeholders={
            "account": escaped(entry.title),
            "rate": f"{slow_line.rate:.2f}",
            "sample_rate": str(slow_line.better_sample_rate or slow_line.sample_rate),
        },
    )


@callback
def delete_outdated_issues(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Delete the issues of voices of ``entry`` that have been removed or changed.

    All others stay, since a person may have ignored them; the next update deletes them. An issue
    that was ignored before a restart also stays: only its id is left.
    """
    current = {
        _voice_issue_id(entry, voice, kind): _voice_issue_data(voice)
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
def delete_all_issues(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Delete all issues of ``entry``, since it is removed."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and entry.entry_id in issue_id:
            ir.async_delete_issue(hass, DOMAIN, issue_id)


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of the only fixable issue."""
    return BackendRepairFlow(str((data or {}).get("entry_id")))


class BackendRepairFlow(RepairsFlow):
    """Replaces the retiring backend of all voices of an entry."""

    def __init__(self, entry_id: str) -> None:
        """Take the entry's id."""
        self._entry_id = entry_id

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Start the flow."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask for confirmation, then change the voices."""
        entry: FishConfigEntry | None = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None:
            return self.async_abort(reason="entry_gone")
        voices = _retiring_voices(entry)
        if user_input is not None:
            for voice in voices:
                self.hass.config_entries.async_update_subentry(
                    entry, voice, data={**voice.data, CONF_BACKEND: SUCCESSOR_BACKEND.value}
                )
            return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            description_placeholders=_retirement_placeholders(voices),
        )
