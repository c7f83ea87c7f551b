"""Everything that doctor can find wrong, with its remedy; docs/operations.md lists the same."""

from __future__ import annotations

from enum import Enum, StrEnum


class Mark(StrEnum):
    """What stands before a line."""

    WELL = "✓"
    WARNING = "!"
    FAILED = "✗"
    SKIPPED = "–"

    @property
    def word(self) -> str:
        """For programs."""
        return self.name.lower()


class Trouble(Enum):
    """A kind of trouble: FAILED, where teltubby does not do all its work with it, or WARNING; and what mends it."""

    def __init__(self, mark: Mark, remedy: str) -> None:
        self.mark = mark
        self.remedy = remedy

    @property
    def title(self) -> str:
        """`TOKEN_REFUSED` → `token-refused`: how the documentation and `--json` name it."""
        return self.name.lower().replace("_", "-")

    # -- Telegram, by the Bot API

    TOKEN_REFUSED = (Mark.FAILED, "Set TELEGRAM_BOT_TOKEN to the token that @BotFather shows for this bot (/mybots).")
    TELEGRAM_AWAY = (
        Mark.FAILED,
        "Look whether this machine may connect to Telegram (https to TELEGRAM_BOT_API_URL; for large files also TCP "
        "443 to Telegram's data centres), then try again.",
    )
    TELEGRAM_FLOODED = (Mark.WARNING, "Telegram limits this account for a while: run doctor again after that time.")
    WEBHOOK_IN_THE_WAY = (
        Mark.WARNING,
        "Have nothing else set a webhook for this bot: in polling mode teltubby removes it when it starts, and the "
        "other program gets nothing any more.",
    )
    WEBHOOK_ELSEWHERE = (
        Mark.WARNING,
        "Have nothing else set a webhook for this bot: teltubby sets WEBHOOK_URL when it starts, and the other program "
        "gets nothing any more.",
    )
    WEBHOOK_FAILING = (
        Mark.WARNING,
        "Look whether the proxy at WEBHOOK_URL answers with a valid certificate and passes requests on to "
        "WEBHOOK_LISTEN_PORT.",
    )
    SOMEBODY_POLLS = (
        Mark.FAILED,
        "If your own teltubby runs in another container or on another machine, this is it, and all is well: run doctor "
        "there. Else stop the other program that fetches this bot's updates; if nobody knows which, have @BotFather "
        "revoke the token and set the new TELEGRAM_BOT_TOKEN.",
    )

    # -- the relay

    RELAY_GONE = (
        Mark.FAILED,
        "Set MTPROTO_RELAY_CHAT_ID to the id of a channel that exists (-100…) and has the bot as an administrator.",
    )
    BOT_NOT_IN_RELAY = (
        Mark.FAILED,
        "Add the bot to the relay channel as an administrator who may post messages; if the channel was deleted, "
        "create another one and set MTPROTO_RELAY_CHAT_ID to its id.",
    )
    BOT_MAY_NOT_POST = (Mark.FAILED, "Give the bot the right to post messages in the relay channel.")
    BOT_MAY_DELETE = (
        Mark.WARNING,
        "Take the right to delete messages of others from the bot: its own copies it may delete without, and leftovers "
        "are found by trying to delete what may be somebody else's.",
    )
    RELAY_NO_CHANNEL = (
        Mark.FAILED,
        "Make a private channel for this and set MTPROTO_RELAY_CHAT_ID to it: in other chats everybody reads along.",
    )
    RELAY_PUBLIC = (Mark.FAILED, "Make the relay channel private: remove its public link.")
    RELAY_PROTECTED = (Mark.WARNING, "Switch off content protection (restrict saving content) in the relay channel.")
    USER_NOT_IN_RELAY = (
        Mark.FAILED,
        "Invite the user account to the relay channel: without it the relay serves no file, and other ways have to.",
    )

    # -- Telegram, by MTProto

    API_ID_UNSET = (
        Mark.WARNING,
        "Set MTPROTO_API_ID and MTPROTO_API_HASH from https://my.telegram.org: large files wait in the queue until "
        "then.",
    )
    API_ID_REFUSED = (
        Mark.FAILED,
        "Set MTPROTO_API_ID and MTPROTO_API_HASH exactly as https://my.telegram.org shows them, both of the same "
        "application.",
    )
    KEY_FILE_OPEN = (
        Mark.FAILED,
        "Let nobody but its owner read the key file: `chmod 600` it; whoever could read it and the session files has "
        "the accounts.",
    )
    KEY_FILE_UNUSABLE = (
        Mark.FAILED,
        "Restore TELTUBBY_KEY_FILE from your backup, or remove it together with the session files and sign in anew.",
    )
    SESSION_OTHER_KEY = (
        Mark.FAILED,
        "Bring back the TELTUBBY_SECRET_KEY or TELTUBBY_KEY_FILE that the session file was made with, or remove the "
        "session file and sign in anew (`teltubby login`, with `--bot` for the bot's).",
    )
    SESSION_OTHER_API_ID = (
        Mark.FAILED,
        "Set MTPROTO_API_ID back to the one that the session was made with, or remove the session file and sign in "
        "anew (`teltubby login`, with `--bot` for the bot's).",
    )
    SESSION_DAMAGED = (
        Mark.FAILED,
        "Restore the session file (`teltubby restore-session`), or remove it and sign in anew (`teltubby login`, with "
        "`--bot` for the bot's).",
    )
    SESSION_UNUSABLE = (
        Mark.FAILED,
        "Give the session file and its folder to the user that runs teltubby; both must be writable.",
    )
    SESSION_REVOKED = (
        Mark.FAILED,
        "Sign in anew: `/mtlogin` to the bot, or `teltubby login` while the worker is stopped (with `--bot` for the "
        "bot's).",
    )
    ACCOUNT_SUSPENDED = (
        Mark.FAILED,
        "Ask Telegram's support (@SpamBot, recover@telegram.org) about the account, or sign in with another one; files "
        "come by the bot session meanwhile, if MTPROTO_ROUTES names it.",
    )
    NOT_SIGNED_IN = (
        Mark.FAILED,
        "Sign in the user account (`/mtlogin` to the bot, or `teltubby login`), or name the way `bot` in "
        "MTPROTO_ROUTES.",
    )
    BOT_SESSION_DEAD = (Mark.WARNING, "Nothing to do: the worker signs the bot in anew when it starts.")
    WRONG_ACCOUNT = (
        Mark.FAILED,
        "Set MTPROTO_PHONE_NUMBER to the account that is signed in, or `teltubby logout` and sign in with the right "
        "one.",
    )

    # -- services over TLS

    CERTIFICATE_REFUSED = (
        Mark.FAILED,
        "Have a certificate that expired renewed, and one for another name made for the name in the settings; name the "
        "authority that signed it in RABBITMQ_CA_FILE, S3_CA_FILE or TELEGRAM_BOT_API_CA_FILE.",
    )

    # -- the broker

    BROKER_AWAY = (Mark.FAILED, "Look whether RabbitMQ runs and can be reached at RABBITMQ_HOST and RABBITMQ_PORT.")
    BROKER_CREDENTIALS = (
        Mark.FAILED,
        "Correct RABBITMQ_USERNAME and RABBITMQ_PASSWORD; the user guest is accepted from RabbitMQ's own host only.",
    )
    BROKER_VHOST = (
        Mark.FAILED,
        "Correct RABBITMQ_VHOST, or create it and let the user in: `rabbitmqctl add_vhost VHOST`, `rabbitmqctl "
        "set_permissions --vhost VHOST USER '.*' '.*' '.*'`.",
    )
    BROKER_PERMISSIONS = (
        Mark.FAILED,
        "Allow the user to configure, write and read every name of teltubby's: `rabbitmqctl set_permissions --vhost "
        "VHOST USER '.*' '.*' '.*'`, or `'^teltubby[.]'` three times where no name was changed.",
    )
    BROKER_CONFLICT = (
        Mark.FAILED,
        "Remove what is in the way as the line says, after looking what it holds (operations.md, Declarations in the "
        "way).",
    )
    BROKER_BLOCKED = (
        Mark.FAILED,
        "Free memory or disk on RabbitMQ's machine: `rabbitmqctl status` names the alarm, and nothing is taken until "
        "it is over.",
    )
    BROKER_OLD = (Mark.WARNING, "Upgrade RabbitMQ to 3.10 or later: with older ones delayed jobs may be lost.")

    # -- the object store

    STORE_AWAY = (Mark.FAILED, "Look whether the object store runs and can be reached at S3_ENDPOINT.")
    STORE_CREDENTIALS = (Mark.FAILED, "Correct S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.")
    STORE_PERMISSIONS = (
        Mark.FAILED,
        "Allow this access key to list, read, write and delete objects and multipart uploads in S3_BUCKET.",
    )
    STORE_BUCKET = (Mark.FAILED, "Make the bucket, or correct S3_BUCKET and S3_REGION.")
    STORE_FOLDER = (Mark.FAILED, "Make or mount STORAGE_FOLDER, and let the user that runs teltubby write there.")
    STORE_REFUSED = (
        Mark.FAILED,
        "Do as the line says; S3_ENDPOINT, S3_REGION and S3_FORCE_PATH_STYLE are the usual cause.",
    )
    STORE_FULL = (Mark.FAILED, "Make room in the store, or raise its quota: nothing can be archived until then.")
    STORE_BROKEN = (
        Mark.FAILED,
        "Use another object store: this one does not keep what it confirmed, and an archive on it is worth nothing.",
    )
    STORE_OVERWRITES = (
        Mark.WARNING,
        "Have nobody else write under teltubby/ in this bucket, or use a store that honours `If-None-Match`: here a "
        "look before each write is all that keeps objects from being overwritten.",
    )
    QUOTA_TIGHT = (Mark.WARNING, "Make room under teltubby/, or raise S3_BUCKET_QUOTA_BYTES, before it is used up.")
    QUOTA_USED_UP = (Mark.FAILED, "Make room under teltubby/, or raise S3_BUCKET_QUOTA_BYTES: intake waits until then.")

    # -- this machine

    CRYPTG_MISSING = (
        Mark.FAILED,
        "Install it (`pip install 'teltubby[mtproto]'`): without it large files cannot be decrypted in a reasonable "
        "time, and no worker starts.",
    )
    CIPHER_SLOW = (
        Mark.WARNING,
        "Install cryptg as a compiled wheel for this machine; it should decrypt 100 MB/s and more.",
    )
    CLOCK_OFF = (
        Mark.FAILED,
        "Set this machine's clock and keep it right by NTP (`timedatectl set-ntp true`): S3 refuses requests at 15 "
        "minutes, and artifacts bear wrong times.",
    )
    CLOCK_DRIFTS = (Mark.WARNING, "Keep this machine's clock right by NTP (`timedatectl set-ntp true`).")
    SPOOL_UNUSABLE = (Mark.FAILED, "Let the user that runs teltubby write there, or set SPOOL_DIR elsewhere.")
    SPOOL_FULL = (
        Mark.FAILED,
        "Free room on that disk, set SPOOL_DIR to another one, or lower MAX_FILE_GB: the largest file does not fit.",
    )
    SPOOL_TIGHT = (
        Mark.WARNING,
        "Free room on that disk, set SPOOL_DIR to another one, or lower WORKER_CONCURRENCY: jobs wait for room "
        "otherwise.",
    )
    DISK_FULL = (Mark.FAILED, "Free room on that disk: the file cannot grow, and nothing is taken in until then.")
    DISK_TIGHT = (Mark.WARNING, "Free room on that disk before it is full: nothing is taken in then.")
    DATABASE_UNUSABLE = (
        Mark.FAILED,
        "Do as the line says: give the file and its folder to the user that runs teltubby, end whoever locks it, or "
        "restore it from a backup.",
    )
    DATABASE_DAMAGED = (
        Mark.FAILED,
        "Stop teltubby and restore the file from a backup, or save what can be read with `sqlite3 FILE .recover`.",
    )
    DATABASE_TOO_NEW = (Mark.FAILED, "Upgrade teltubby, or restore the backup made before the upgrade.")
    DATABASE_OF_ANOTHER_BOT = (
        Mark.FAILED,
        "Set SQLITE_PATH to this bot's own ledger, or TELEGRAM_BOT_TOKEN to the bot that this ledger belongs to.",
    )
    PORT_TAKEN = (Mark.FAILED, "Stop what listens there, or set HEALTH_PORT (WEBHOOK_LISTEN_PORT) to a free port.")

    # -- the round trip

    ROUND_TRIP_FAILED = (Mark.FAILED, "Mend what the line says, then run `teltubby doctor --round-trip` again.")
    ROUND_TRIP_ALTERED = (
        Mark.FAILED,
        "Do not use this way or store: other bytes came back than were sent. Report it with this line.",
    )

    # -- doctor itself

    TOOK_TOO_LONG = (Mark.FAILED, "Look whether the server, or the disk, that this section is about answers at all.")
    DOCTOR_FAILED = (Mark.FAILED, "This is a bug in teltubby, nothing of yours: report it with this line.")
