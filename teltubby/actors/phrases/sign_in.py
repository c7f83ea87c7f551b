"""Signing in through the bot: `/mtlogin`, `/mtcode`, `/mtpass`, and the steps between them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from teltubby.actors.phrases.words import REASON_CHARACTERS, clipped, counted, span
from teltubby.actors.phrases.workers import account_line, worker_name
from teltubby.archive.login_codes import CodeRefusal, ways_to_write
from teltubby.messages.routes import AccountKind
from teltubby.messages.workers import WorkerStanding

_EXAMPLE = "12345"
_WAYS = " · ".join(f"<code>{escape(way)}</code>" for way in ways_to_write(_EXAMPLE))

LOGIN_USAGE = (
    "/mtlogin shows a QR code to scan with the phone of the worker's account; <code>/mtlogin code</code> has Telegram "
    "send a login code instead. <code>/mtlogin cancel</code> gives up. Where there are several workers, a number "
    "chooses one: <code>/mtlogin 2</code>, <code>/mtlogin code 2</code>."
)
HOW_TO_WRITE_CODES = (
    f"Never as it is: Telegram makes a login code invalid as soon as you send it in a chat. Were it {_EXAMPLE}, you "
    f"would write it like one of these: {_WAYS}. That is: the digits apart from each other, whatever stands between "
    "them, or backwards after &lt;, r, rev or reversed."
)
CODE_USAGE = f"/mtcode and then the login code, written so that Telegram does not recognise it. {HOW_TO_WRITE_CODES}"
PASSWORD_USAGE = (
    "/mtpass, one space, and then the password of the account's second factor: everything that follows is taken as the "
    "password, exactly as it stands. I delete the message at once."
)
HELP = (
    "<b>Signing the worker in</b>\n"
    f"{LOGIN_USAGE}\n"
    f"How a login code is written: {HOW_TO_WRITE_CODES}\n"
    "Passwords go sealed to the worker, are never kept, and their message is deleted at once."
)

_NEW_CODE = "This code is dead now; <code>/mtlogin code</code> has a new one sent, /mtlogin does it without any code."
_REFUSALS = {
    CodeRefusal.BARE: (
        "⛔ This cannot work: Telegram makes a login code invalid as soon as its owner sends it in a chat, to protect "
        f"people from theft. {_NEW_CODE}\n{HOW_TO_WRITE_CODES}"
    ),
    CodeRefusal.NO_DIGITS: f"There is no digit in this. {CODE_USAGE}",
    CodeRefusal.WRONG_LENGTH: f"Login codes have five or six digits, and this is longer or shorter. {CODE_USAGE}",
}

NOT_KEPT = (
    "I do not have what you sent any more: it is kept in memory only, and a restart or some minutes lie between. "
    "Please send it again, if the sign-in still waits for it."
)
MISWRITTEN = "I could not tell what belongs to the command. "
DELETED = {
    "mtcode": "I deleted your message with the code.\n",
    "mtpass": "I deleted your message with the password.\n",
}
REMAINS = "⚠️ <b>I could not delete your message: please delete it yourself, now.</b>\n"
NO_SIGN_IN = "No sign-in is under way, so this was not used. /mtlogin begins one."
NOT_ASKED_FOR = {
    "code": "The sign-in that is under way does not ask for a code now, so this was not used.",
    "password": "The sign-in that is under way does not ask for a password (yet), so this was not used.",
}
NO_PASSWORD = "No password is like this (too long, or no text); it was not used."
CODE_PASSED_ON = "I passed the code on to the worker, sealed; what comes of it follows."
PASSWORD_PASSED_ON = "🔒 I passed the password on to the worker, sealed; it is kept nowhere. What comes of it follows."
BROKER_AWAY = "The broker is away, so the worker cannot be told now. Please try again in a moment."
NO_WORKER = (
    "No worker has said anything, so there is none to sign in. Does one run? On its machine "
    "<code>teltubby login</code> signs in without me, and <code>teltubby doctor</code> checks everything."
)
NO_PERSONS_ACCOUNT = (
    "The workers use the bot's own account only (MTPROTO_ROUTES), which signs itself in: nobody has to. /mtstatus says "
    "how it stands."
)
NOTHING_TO_CANCEL = "No sign-in is under way, so there is nothing to give up."
CANCELLED = "The sign-in is given up; the worker forgets what it had."
CANCELLED_HERE = "I gave the sign-in up; the worker cannot be told now, and gives up by itself in some minutes."
IN_GROUP = (
    "⚠️ You sent a secret in a group. It was not used, and others may have read it: change that password, or have a new "
    "code sent. Commands with secrets belong in this chat, with me alone."
)
IN_CAPTION = (
    "⚠️ What stands under this file looks like a secret for /mtlogin. It was not used and not archived, but it stays in "
    "this chat until you delete the message. Send it as a message of its own."
)
IN_EDIT = "⚠️ Commands in edited messages are not obeyed, so this was not used. Send it as a new message."
UNREADABLE_QR = "The worker's QR code cannot be read; please begin anew with /mtlogin."
SUPERSEDED = "Given up for the sign-in that you began after it."


def code_refused(refusal: CodeRefusal) -> str:
    return _REFUSALS[refusal]


def begun(worker: WorkerStanding, *, by_code: bool) -> str:
    what = "have Telegram send a login code" if by_code else "show a QR code"
    return f"I asked worker {worker_name(worker)} to {what}…"


def choose(workers: Sequence[WorkerStanding]) -> str:
    """Several workers could be meant."""
    lines = ["There are several workers. Which one?"]
    for number, worker in enumerate(workers, 1):
        session = next((each for each in worker.sessions if each.account is AccountKind.USER), None)
        about = "" if session is None else f": {account_line(session)}"
        lines.append(f"<code>/mtlogin {number}</code> {worker_name(worker)}{about}")
    return "\n".join(lines)


def no_such_number(count: int) -> str:
    return f"There are {counted(count, 'worker')} to choose from. {LOGIN_USAGE}"


def ready_already(worker: WorkerStanding, name: str | None) -> str:
    whose = "" if name is None else f" as {clipped(name, 80)}"
    return (
        f"Worker {worker_name(worker)} is connected{whose}, so nobody has to sign in. For another account "
        "<code>teltubby logout</code> on its machine comes first."
    )


def run_by_another(who: str) -> str:
    return (
        f"{escape(who)} is signing in at the moment; only who began it can go on with it or give it up. It ends by "
        "itself in some minutes."
    )


def too_often(command: str, *, seconds: float, times: int) -> str:
    return (
        f"/{command} was given {times} times within {span(seconds)} already, which is as often as I pass it on: "
        "Telegram locks out accounts with too many attempts. Please wait."
    )


def qr_caption(*, seconds: float) -> str:
    return (
        "Scan this with the phone of the account: Telegram, Settings, Devices, Link Desktop Device. "
        f"It is good for {span(seconds)}; I replace it by a new one until it is used."
    )


def code_wanted(detail: str) -> str:
    return f"🔑 {clipped(detail, REASON_CHARACTERS)}\nSend it with /mtcode. {HOW_TO_WRITE_CODES}"


def code_wanted_again(detail: str) -> str:
    return f"❌ {clipped(detail, REASON_CHARACTERS)}\nTry again in the same way, never with the bare code."


def password_wanted(detail: str) -> str:
    return f"🔒 {clipped(detail, REASON_CHARACTERS)}\n{PASSWORD_USAGE}"


def password_wanted_again(detail: str) -> str:
    return f"❌ {clipped(detail, REASON_CHARACTERS)}\nSend it once more, in the same way."


def on_the_way(detail: str) -> str:
    return f"⏳ {clipped(detail, REASON_CHARACTERS)}"


def signed_in(worker: WorkerStanding, detail: str) -> str:
    return f"✅ Signed in. Worker {worker_name(worker)}: {clipped(detail, REASON_CHARACTERS)}"


def given_up(worker: WorkerStanding, detail: str) -> str:
    return (
        f"❌ The sign-in of worker {worker_name(worker)} is over: {clipped(detail, REASON_CHARACTERS)}\n"
        "/mtlogin begins anew."
    )


def nobody_answered(worker: WorkerStanding, *, seconds: float) -> str:
    return (
        f"❌ Worker {worker_name(worker)} did not answer within {span(seconds)}. Does it run, and reach the broker? "
        "/mtstatus asks all of them. On its machine <code>teltubby login</code> signs in without me, and "
        "<code>teltubby doctor</code> checks everything."
    )


def fell_silent(worker: WorkerStanding) -> str:
    return (
        f"⚠️ Worker {worker_name(worker)} says nothing any more. If it was restarted, the sign-in is gone with it: "
        "/mtstatus asks it, and /mtlogin begins anew."
    )


def restarted(worker: WorkerStanding) -> str:
    return f"❌ Worker {worker_name(worker)} was restarted, and the sign-in is gone with it. /mtlogin begins anew."


def took_too_long(worker: WorkerStanding) -> str:
    return f"❌ The sign-in of worker {worker_name(worker)} is given up: nothing came for long. /mtlogin begins anew."
