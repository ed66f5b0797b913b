-- Did a transaction commit? Asked under the lock of log_head, so after it ended: it left this event, or this command.
select exists (select from events where event_id = %(event_id)s and stream = %(stream)s)
    or exists (select from commands where command_id = %(command_id)s)
