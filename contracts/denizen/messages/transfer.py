"""Moving users in and out: imports and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from denizen.messages.base import ErrorBody, Message, Otherwise, Request, Search, Status, Time, UserId
from denizen.messages.identities import LinkedIdentity
from denizen.messages.users import CreateUser
from pydantic import Field, StringConstraints

__all__ = [
    "ChangedField",
    "ExportFilter",
    "ExportFormat",
    "ExportPiece",
    "ExportUsers",
    "ExportUsersWithHashes",
    "ImportId",
    "ImportOutcome",
    "ImportProgress",
    "ImportReply",
    "ImportStatus",
    "ImportUndone",
    "ImportUsers",
    "ImportedRow",
    "ImportedUser",
    "KeptUser",
    "OnConflict",
    "UndoImport",
    "WithoutUnsupportedHashes",
]


class ImportedUser(CreateUser):
    """A row of an import: a user as another system had them."""

    id: UserId | None = None
    """Of an export of Denizen's: kept where no user has it or ever had it."""
    status: Status | None = None
    """BLOCKED and DEACTIVATED are taken over; the rest follows from `emailVerified`."""
    password_change_required: bool = False
    created_at: Time | None = None
    updated_at: Time | None = None
    """Not before `createdAt`. By default the time of the import; identities and blocks without a time get it too."""
    blocked_at: Time | None = None
    """For a user who is BLOCKED, or was BLOCKED when they were DEACTIVATED. Not after `updatedAt`, like `linkedAt`."""
    blocked_until: Time | None = None
    """When the block ends by itself. One that has passed ends it at once."""
    identities: Annotated[list[LinkedIdentity], Field(max_length=64)] = []


ImportId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    Otherwise("not the name of a job: 1 to 64 letters, digits, '_' and '-'"),
]
ImportOutcome = Literal["created", "updated", "skipped", "failed"]
ExportFormat = Literal["csv", "jsonl", "json"]
OnConflict = Literal["fail", "skip", "update"]
WithoutUnsupportedHashes = Literal["none", "unsupported"]


class ImportUsers(Request):
    """Rows of an import, or a chunk of one. A row that is refused stops no other."""

    users: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]
    """Each as `ImportedUser`."""
    import_id: ImportId | None = None
    """Of the job that the chunk belongs to."""
    chunk: Annotated[int, Field(ge=0, lt=10_000_000)] | None = None
    """A chunk that is repeated changes nothing, and gets the same answer; with other rows or another `onConflict` it is
    refused (`validation_failed`, field `importId`). Of one that was done over 24 h ago only who was created is known:
    other rows are answered `skipped`, with the error `command_not_found`."""
    dry_run: bool = False
    """Check the rows, and change nothing."""
    on_conflict: OnConflict = "fail"
    """A row whose e-mail address or external id belongs to a user already: `fail` refuses it, `skip` leaves the user
    as they are, `update` changes the user with that e-mail address to what the row says. What users or operators have
    decided since an import is never changed."""
    without_hashes: WithoutUnsupportedHashes = "none"
    """`unsupported` creates a user whose `passwordHash` cannot be taken without a password, and says so in `changed`:
    the user resets the password by mail. With `none` such a row is refused (`validation_failed`, `passwordHash`)."""


class ChangedField(Message):
    """A field of a user whose value is not that of the row."""

    field: str
    message: str
    """Holds no value of the row."""


class ImportedRow(Message):
    """The result of one row."""

    index: int
    """In `users`, from 0."""
    status: ImportOutcome
    user_id: str | None = None
    error: ErrorBody | None = None
    not_changed: tuple[str, ...] = ()
    """Of an updated user: the fields that are not as in the row, because users or operators decided on them."""
    changed: tuple[ChangedField, ...] = ()
    """Of a user who was created: `passwordHash` where the hash is weak, or was left out."""


class ImportReply(Message):
    """The results of the rows; in a dry run, the results that they would have."""

    success: int
    failed: int
    results: tuple[ImportedRow, ...]


class ImportStatus(Request):
    import_id: ImportId


class ImportProgress(Message):
    """Progress of an import."""

    import_id: str
    chunks: tuple[tuple[int, int], ...]
    """Ranges of the chunks that are done, first and last."""
    created: int
    updated: int
    skipped: int
    failed: int
    failed_chunks: tuple[int, ...] = ()
    """The first chunks that are done and have rows that were refused; sent again, they say why."""


class UndoImport(Request):
    """A step of taking an import back. Begin without `after`, and go on with that of the reply until it is `until`."""

    import_id: ImportId
    after: Annotated[int, Field(ge=0, le=2**62)] = 0


class KeptUser(Message):
    """A user that an undo did not take back."""

    user_id: str
    because: str
    """The type of the event that says they are in use: `LoginSucceeded`, or the first change that was not the
    import's."""


class ImportUndone(Message):
    """What a step of an undo did."""

    import_id: str
    after: int
    """The position up to which the log was looked through."""
    until: int
    """The position up to which it is to be looked through."""
    undone: int
    """Users that the step erased."""
    gone: int
    """Users that were erased before, by an earlier undo or by another command."""
    kept: tuple[KeptUser, ...]


class ExportFilter(Request):
    status: Status | None = None
    created_after: Time | None = None
    """Then or later."""
    created_before: Time | None = None
    search: Search | None = None
    """As in ListUsers: users with these words, or with exactly this address or external id."""


class ExportUsers(Request):
    """All users that match, as of one position of the log, which every piece names.

    The answer is a piece of the file. Its header `Denizen-Export` names the subject on which the next one is asked for
    by `{"piece": 1}` and so on; the piece that has no such header is the last. A piece can be asked for twice.
    `{"end": true}` on that subject ends the export earlier; otherwise it is held for a minute.
    """

    format: ExportFormat = "jsonl"
    fields: Annotated[list[Annotated[str, StringConstraints(max_length=300)]], Field(max_length=64)] = []
    """`id`, `email`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all of the user."""
    filter: ExportFilter = ExportFilter()
    raw: bool = False
    """CSV: cells that a spreadsheet would take for formulas stay as they are; else a `'` goes before them."""


class ExportUsersWithHashes(ExportUsers):
    """As ExportUsers; the field `passwordHash` can be asked for. Only the NATS user `operator` may ask."""


class ExportPiece(Message):
    """A piece of a file: its octets are the body as it is, and no JSON object."""
