--
-- PostgreSQL database dump
--

COPY public.account (id, "accountId", "providerId", "userId", "accessToken", "refreshToken", "idToken", "accessTokenExpiresAt", "refreshTokenExpiresAt", scope, password, "createdAt", "updatedAt") FROM stdin;
a1	u1	credential	u1	\N	\N	\N	\N	\N	\N	0cf3adef1d1dc6d47ac1b1cb3f1a1d0b:aa25a2d7a9e1a1fd5b4ab9a1f4d4e3c2aa25a2d7a9e1a1fd5b4ab9a1f4d4e3c2aa25a2d7a9e1a1fd5b4ab9a1f4d4e3c2aa25a2d7a9e1a1fd5b4ab9a1f4d4e3c2	2025-01-02 03:04:05.678	2025-01-02 03:04:05.678
a2	113	google	u1	ya29	\N	eyJ	2025-01-02 03:04:05.678	\N	openid	\N	2025-01-02 03:04:05.678	2025-01-02 03:04:05.678
\.

COPY public."user" (id, name, email, "emailVerified", image, "createdAt", "updatedAt", role, banned, "banReason", "banExpires") FROM stdin;
u1	Ada L	ada@example.com	t	https://x.example.com/a.png	2025-01-02 03:04:05.678	2025-01-02 03:04:05.678	admin	t	spam	\N
\.
