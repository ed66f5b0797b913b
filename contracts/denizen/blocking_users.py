"""`client.auth.users` of the client that waits: create, find and change users."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Unpack

from denizen.blocking import Blocking, blocking
from denizen.exporting import ExportOptions, FilePiece
from denizen.messages import Sort, Status, User
from denizen.users import PAGE, Users


class BlockingUsers(Blocking[Users]):
    """`Users`, each call waiting for its result."""

    create = blocking(Users.create)
    update = blocking(Users.update)
    block = blocking(Users.block)
    unblock = blocking(Users.unblock)
    deactivate = blocking(Users.deactivate)
    reactivate = blocking(Users.reactivate)
    delete = blocking(Users.delete)
    register = blocking(Users.register)
    change_email = blocking(Users.change_email)
    send_verification_email = blocking(Users.send_verification_email)
    verify_email = blocking(Users.verify_email)
    change_password = blocking(Users.change_password)
    reset_password = blocking(Users.reset_password)
    send_password_reset_email = blocking(Users.send_password_reset_email)
    confirm_password_reset = blocking(Users.confirm_password_reset)
    get = blocking(Users.get)
    get_by_email = blocking(Users.get_by_email)
    get_by_external_id = blocking(Users.get_by_external_id)
    list = blocking(Users.list)
    history = blocking(Users.history)
    login_history = blocking(Users.login_history)
    link_identity = blocking(Users.link_identity)
    unlink_identity = blocking(Users.unlink_identity)
    list_identities = blocking(Users.list_identities)
    import_users = blocking(Users.import_users)
    undo_import = blocking(Users.undo_import)
    _export_piece = blocking(Users.export_piece)
    _export_end = blocking(Users.export_end)

    def export(self, **options: Unpack[ExportOptions]) -> Generator[FilePiece]:
        """As `Users.export`; `contextlib.closing` closes it."""
        piece: FilePiece | None = None
        try:
            while piece is None or piece.follows is not None:
                piece = self._export_piece(piece, options)
                yield piece
        finally:
            if piece is not None and self._thread.is_alive():
                self._export_end(piece)

    def iter_all(
        self, *, status: Status | None = None, search: str | None = None, sort: Sort = "-createdAt"
    ) -> Iterator[User]:
        """As `Users.iter_all`."""
        cursor: str | None = None
        while True:
            page = self.list(count=PAGE, cursor=cursor, status=status, search=search, sort=sort)
            yield from page
            if (cursor := page.next_cursor) is None:
                return
