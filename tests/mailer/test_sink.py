"""The embedded SMTP server: whole mails in new/, nothing else; bounds; the same address after a restart."""

import smtplib
from pathlib import Path

import pytest

from services.embedded.sink import Sink
from tests.support.smtp import arrived, sink

pytestmark = pytest.mark.embedded

MAIL = "Subject: hello\r\n\r\n.dot\r\nlast line\r\n"


def client(server: Sink) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", server.port, timeout=5)


def test_mail_is_kept_with_its_envelope(sink: Sink, maildir: Path) -> None:
    with client(sink) as connection:
        connection.sendmail("from@example.com", ["one@example.com", "two@example.com"], MAIL)
        (path,) = (maildir / "new").iterdir()  # it is there when it is acknowledged
    assert list((maildir / "tmp").iterdir()) == []
    assert path.read_text() == (
        "Return-Path: <from@example.com>\nX-Original-To: one@example.com\nX-Original-To: two@example.com\n"
        "Subject: hello\n\n.dot\nlast line\n"
    )
    assert path.stat().st_mode & 0o077 == 0


def test_mail_beyond_the_bound_is_refused(sink: Sink, maildir: Path) -> None:
    with client(sink) as connection:
        assert int(connection.esmtp_features.get("size", 0) or connection.ehlo()[0]) > 0
        line = "x" * 98 + "\r\n"
        with pytest.raises(smtplib.SMTPResponseException):
            connection.sendmail("from@example.com", ["one@example.com"], line * 10_001)
        connection.sendmail("from@example.com", ["one@example.com"], line * 9_999)
    assert len(arrived(maildir)) == 1


def test_mail_that_cannot_be_kept_is_not_acknowledged(sink: Sink, maildir: Path, tmp_path: Path) -> None:
    (maildir / "tmp").rmdir()
    with client(sink) as connection, pytest.raises(smtplib.SMTPDataError) as refused:
        connection.sendmail("canary@example.com", ["canary@example.com"], MAIL)
    assert refused.value.smtp_code == 451
    said = (tmp_path / "sink" / "log" / "smtp.log").read_text()
    assert "not_kept" in said
    assert "canary" not in said


def test_restarted_sink_keeps_its_address_and_mails(tmp_path: Path) -> None:
    with sink(tmp_path) as server:
        url = server.url
        with client(server) as connection:
            connection.sendmail("from@example.com", ["one@example.com"], MAIL)
        held = client(server)  # a connection that is kept does not keep it from ending
    with sink(tmp_path, server):
        assert server.url == url
        with client(server) as connection:
            connection.sendmail("from@example.com", ["two@example.com"], MAIL)
    held.close()
    assert len(arrived(tmp_path / "mail")) == 2
