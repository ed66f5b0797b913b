"""Sends the mails that wait in the table `mails`."""
