"""What the register says, and what may follow it: a pure state machine with compare-and-set on the epoch.

Every change raises the epoch by one, so that of two operators who start from the same state one is refused. This file
is all that a reader of the register needs; it knows nothing of signatures, files or sockets.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias, assert_never

import msgspec

from kanjo.errors import Refused
from kanjo.sites.topology import Mode

REASON_CHARACTERS_MAX = 500


class RegisterState(msgspec.Struct, frozen=True):
    """How things stand since the last change. Epoch 0: nothing was decided yet, so no site may serve.

    `reason`, `by` and `at` are of the last change; `head` is the hash of the last entry of the history ("" at epoch 0).
    """

    site: str | None = None
    epoch: int = 0
    mode: Mode = "required"
    reason: str = ""
    by: tuple[str, ...] = ()
    at: str = ""
    head: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What every change says: which epoch it was decided on, why, and the digest of the plan it is a step of."""

    expected_epoch: int
    reason: str
    plan: str = ""


class Appoint(Change, frozen=True, kw_only=True, tag="appoint", tag_field="change"):
    """This site serves from now on, the other no more: bring-up, switch-over, and the loss of a site.

    `accepts_loss`: the persons know that answered transactions may be missing there (4.3 step 1); of a site that is
    to serve alone already, they say it afterwards, when it turns out so.
    """

    site: str
    mode: Mode = "required"
    accepts_loss: bool = False


class Detach(Change, frozen=True, kw_only=True, tag="detach", tag_field="change"):
    """The serving site answers alone from now on (R9); `site` is the site where the order is to be carried out."""

    site: str


class Attach(Change, frozen=True, kw_only=True, tag="attach", tag_field="change"):
    """The serving site needs the other one again for every answer."""

    site: str


AnyChange: TypeAlias = Appoint | Detach | Attach


def after(state: RegisterState, change: AnyChange, sites: Collection[str]) -> RegisterState:
    """The state that follows; `by`, `at` and `head` are for the entry to fill in.

    Refused: `epoch-mismatch`, `reason-missing`, `site-unknown`, `already-so`, `site-fenced` (pitfall 4, T23),
    `may-lose-answers`.
    """
    if change.expected_epoch != state.epoch:
        raise Refused(
            "epoch-mismatch",
            f"The change was decided on epoch {change.expected_epoch}, but the register is at epoch {state.epoch}: "
            "somebody changed it meanwhile. Read it again and decide anew.",
            expected_epoch=change.expected_epoch,
            epoch=state.epoch,
        )
    if not change.reason.strip() or len(change.reason) > REASON_CHARACTERS_MAX:
        raise Refused("reason-missing", f"A change needs a reason, of at most {REASON_CHARACTERS_MAX} characters (R9).")
    following = msgspec.structs.replace(state, epoch=state.epoch + 1, reason=change.reason)
    match change:
        case Appoint():
            return _appointed(state, following, change, sites)
        case Detach():
            _require_serving(state, change.site, sites)
            _require_change(state.mode != "detached", "detached")
            return msgspec.structs.replace(following, mode="detached")
        case Attach():
            _require_serving(state, change.site, sites)
            _require_change(state.mode != "required", "attached")
            return msgspec.structs.replace(following, mode="required")
        case _:
            assert_never(change)


def _appointed(
    state: RegisterState, following: RegisterState, change: Appoint, sites: Collection[str]
) -> RegisterState:
    _require_known(change.site, sites)
    afterwards = change.accepts_loss and state.mode == change.mode == "detached"
    _require_change(state.site != change.site or afterwards, f"site {change.site}")
    if state.site is not None and state.mode == "detached" and not change.accepts_loss:
        raise Refused(
            "may-lose-answers",
            f"Site {state.site} answers alone since epoch {state.epoch} or before, so site {change.site} may lack what "
            "was answered. Attach it first; if that site is lost, two persons must accept the loss expressly.",
            site=state.site,
        )
    return msgspec.structs.replace(following, site=change.site, mode=change.mode)


def _require_known(site: str, sites: Collection[str]) -> None:
    if site not in sites:
        raise Refused(
            "site-unknown", f"There is no site {site}; the register knows {', '.join(sorted(sites))}.", site=site
        )


def _require_serving(state: RegisterState, site: str, sites: Collection[str]) -> None:
    """A fenced site's policy is never touched: relaxing it releases commits that the serving site does not have."""
    _require_known(site, sites)
    if state.site != site:
        raise Refused(
            "site-fenced",
            f"The register names {state.site or 'no site'}, not {site}: an order to {site} would answer waiting "
            "transactions that are lost later.",
            site=site,
            serving=state.site,
        )


def _require_change(changes: bool, what: str) -> None:
    if not changes:
        raise Refused("already-so", f"The register says so already: {what}.")
