--
-- PostgreSQL database dump
--

\restrict 7yXkq

SET client_encoding = 'UTF8';

CREATE TABLE public.users (
    id bigint NOT NULL,
    email character varying DEFAULT ''::character varying NOT NULL
);

--
-- Data for Name: schema_migrations; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.schema_migrations (version) FROM stdin;
20220218180519
\.


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.users (id, email, encrypted_password, admin, reset_password_token, confirmed_at, locked_at, created_at, updated_at, username) FROM stdin;
1	ada@example.com	$2a$12$TeC8xLvlP.zG5qwNouU.kOcWxFqyoSOFObhGiC1rxb6AOB5.AZrpG	t	\N	2022-03-01 23:48:00	\N	2022-03-01 23:47:19.055466	2022-03-01 23:47:19.055466	ada\\1
5	bob@example.com	$2a$12$GMftd7qEtaXM9fZdoqTx4O.8tjZf8SLGSSpVJ8mnJ14m8XCVEId6O	f	\N	\N	2022-03-09 00:00:00	2022-03-08 01:18:19.512914	2022-03-08 01:31:38.995687	bob
\.


--
-- Name: users_id_seq; Type: SEQUENCE SET; Schema: public; Owner: app
--

SELECT pg_catalog.setval('public.users_id_seq', 5, true);

\unrestrict 7yXkq
