-- Who has exactly this address or external id.
u.user_id in (
    select user_id from by_email where email_key = %(email_key)s
    union all
    select user_id from by_external_id where external_id = %(external_id)s
)
