"""Presets: the exports of other systems, one module each, and the table of these systems.

What a system lets users change becomes `metadata`, all else `appMetadata`, so that no user gains a right by moving.
Their ids become external ids. What each reads: docs/reference/import-files.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from denizen.importing.presets import (
    auth0,
    better_auth,
    clerk,
    cognito,
    django,
    entra,
    firebase,
    fusionauth,
    keycloak,
    kratos,
    ldif,
    supabase,
    supertokens,
    wordpress,
    zitadel,
)
from denizen.importing.presets.system import Preset, System

SYSTEMS = (
    System("auth0", "Auth0", auth0.MARKS, auth0.FIELDS, auth0.user),
    System("keycloak", "Keycloak", keycloak.MARKS, keycloak.FIELDS, keycloak.user),
    System("supabase", "Supabase", supabase.MARKS, supabase.FIELDS, supabase.user),
    System("clerk", "Clerk", clerk.MARKS, clerk.FIELDS, clerk.user),
    System("django", "Django", django.MARKS, django.FIELDS, django.user),
    System("firebase", "Firebase", firebase.MARKS, firebase.FIELDS, firebase.firebase(None)),
    System("kratos", "Ory Kratos", kratos.MARKS, kratos.FIELDS, kratos.user),
    System("supertokens", "SuperTokens", supertokens.MARKS, supertokens.FIELDS, supertokens.user),
    System("zitadel", "Zitadel", zitadel.MARKS, zitadel.FIELDS, zitadel.user),
    System("fusionauth", "FusionAuth", fusionauth.MARKS, fusionauth.FIELDS, fusionauth.user),
    System("better-auth", "better-auth", better_auth.MARKS, better_auth.FIELDS, better_auth.user),
    System("cognito", "Amazon Cognito", cognito.MARKS, cognito.FIELDS, cognito.user),
    System("entra", "Microsoft Entra", entra.MARKS, entra.FIELDS, entra.user),
    System("wordpress", "WordPress", wordpress.MARKS, wordpress.FIELDS, wordpress.user),
    System("ldif", "LDIF", ldif.MARKS, ldif.FIELDS, ldif.user),
)
"""Users of Firebase with passwords need `firebase(HashConfig(…))`."""

PRESETS: Mapping[str, Preset] = {system.name: system.user for system in SYSTEMS}
"""By name."""

DATABASES = frozenset({"supabase", "django", "kratos", "fusionauth", "better-auth", "wordpress"})
"""Presets of files that tools of databases write: the texts NULL, null and \\N are no values in their CSV."""
