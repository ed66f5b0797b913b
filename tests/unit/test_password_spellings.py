"""Known answers of other systems' hashes, each from the tests or documentation of the system or library it names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.passwords.formats import HashRejected, accepted, examined, verify

KRATOS = "ory/kratos, hash/hasher_test.go"
ASPNET = "dotnet/aspnetcore, PasswordHasherTest.cs"
DOKUWIKI = "DokuWiki, auth_password.test.php"
PASSLIB = "passlib, test_handlers.py and its successors"
LDAP = "activesambaldap test_user_password.rb, ruby-net-ldap test_password.rb, openssl_slappasswd.sh"
CISCO = "hashcat examples 9200 and 9300, Cisco's documentation, John the Ripper"
WERKZEUG = "made by generate_password_hash of Werkzeug 2.2.3"
BETTER_AUTH = "made by hashPassword of better-auth 1.7.25"

KNOWN = [
    (ASPNET, "my password", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg=="),
    (ASPNET, "my password", "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M"),
    (
        ASPNET,
        "my password",
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
    ),
    (ASPNET, "my password", "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg/Q8A0WMKbtHQJQ2DHCdoEeeFBrgNlldq6vH4qX/CGqGQ=="),
    (
        ASPNET,
        "my password",
        (
            "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+Zfhj"
            "CcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw=="
        ),
    ),
    (
        KRATOS,
        "test",
        "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI",
    ),
    (
        KRATOS,
        "test",
        "$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc",
    ),
    (
        KRATOS,
        "test",
        "$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=",
    ),
    (
        KRATOS,
        "8x4WjoDbSxJZdR",
        (
            "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2"
            "/k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw=="
        ),
    ),
    (KRATOS, "test", "$argon2id$v=19$m=32,t=5,p=4$cm94YnRVOW5jZzFzcVE4bQ$fBxypOL0nP/zdPE71JtAV71i487LbX3fJI5PoTN6Lp4"),
    (KRATOS, "test", "$sha1$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NW9wbWtnejAzcg==$2qU2SGWP8viTM1md3FiI3+rjWXQ="),
    (
        KRATOS,
        "test",
        "$sha1$pf=Pz9zdGF0aWNQcmVmaXg/P3tTQUxUfXtQQVNTV09SRH0=$NW9wbWtnejAzcg==$SAAxMUn7jxckQXkBmsVF0nHwqso=",
    ),
    (KRATOS, "test", "$sha1$pf=e1BBU1NXT1JEfSUle1NBTFR9$NW9wbWtnejAzcg==$YX0AW8/MW5ojUlnzTaR43ucHCog="),
    (KRATOS, "test", "$sha1$pf=JHtQQVNTV09SRH0ke1NBTFR9JA==$NW9wbWtnejAzcg==$iE5n1yjX3oAdxRHwZ4u57I4LpQo="),
    (
        KRATOS,
        "test",
        "$sha256$pf=e1NBTFR9JCR7UEFTU1dPUkR9$NW9wbWtnejAzcg==$HokCOi9OtiZaZRvnkgemV3B4UUHpI7kA8zq/EZWH2NY=",
    ),
    (
        KRATOS,
        "test",
        (
            "$sha512$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NW9wbWtnejAzcg==$6ctpVuApMNp0CgBXcdHw/GC562eFEFGr4gpgANX8ZYsX+j5B19IkdmOY2Fyts"
            "z3QUwSWdGcUjbqwgJGTH0UYvw=="
        ),
    ),
    (KRATOS, "test", "$md5$pf=e1NBTFR9e1BBU1NXT1JEfQ==$MTIz$q+RdKCgc+ipCAcm5ChQwlQ=="),
    (KRATOS, "ory", "$md5$pf=e1BBU1NXT1JEfXtTQUxUfSQ/$MTIzNDU2Nzg5$8PhwWanVRnpJAFK4NUjR0w=="),
    (KRATOS, "test", "$md5$CY9rzUYh03PK3k6DJie09g=="),
    (KRATOS, "test", "$md5-crypt$TVEiiKNb$SN6/pUaRQS/E8Jh46As2C/"),
    (KRATOS, "test", "$sha256-crypt$rounds=535000$05R.9KB6UC2kLI3w$Q/zslzx./JjkAVPTwp6th7nW5l7JU91Gte/UmIh.U78"),
    (KRATOS, "test", "$hmac-md5$ZmU4Njk3Zjc0MmQwODA0MDVkMTI3MGU2MTYzMzE2Zjk=$MTIzNDU="),
    (
        KRATOS,
        "test",
        "$hmac-sha256$ZTAzMWJhMWMyOTM4YjFkMjgzZjkxOWExZGY5YWM2NmMxOTJhN2RkNzQ0MzJkNWZkNGFkYTI5OTk0MWJhMTA5Zg==$MTIzNDU=",
    ),
    ("php-wasm demo site (WordPress 6.8)", "admin", "$wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834Fu.evIEFHAUVisQ5O.w9Dm0sMdES"),
    (DOKUWIKI, "pouette1234", "U$S$9c47LGZuhR6TvhRQXzymkJIQ3mXthUCc6KDEGTt4B7eOL/H9Ykuy"),
    (DOKUWIKI, "drupal_sha512", "$S$D7JxIm0f7QKO3zjwVS1RH4AW8sYvmLjO0.Rn4swH0JVt6OrZ4yzZ"),
    (
        DOKUWIKI,
        "@STR0NGpassW0RD",
        (
            "PBKDF2SHA256$10000$99227b6df52aa1394b5ca0aceee2733dd6c2670c85bbe26c751a2c65e79d4db7$d61dd1c4df6873c73813fe97f96d0e9"
            "17792602a33966f3fab0eef154637cc84"
        ),
    ),
    (DOKUWIKI, "foolsmd5", "{SMD5}HGbkPrkWgy9KgcRGWlrsUWFiY2RlZmdo"),
    (DOKUWIKI, "foodjangomd5", "md5$abcde$d0fdddeda8cd92725d2b54148ac09158"),
    (DOKUWIKI, "foodjangosha1", "sha1$abcde$c8e65a7f0acc9158843048a53dcc5a6bc4d17678"),
    (DOKUWIKI, "fooapr1", "$apr1$abcdefgh$C/GzYTF4kOVByYLEoD5X4."),
    (DOKUWIKI, "foobcrypt", "{BLF-CRYPT}$2a$12$uTWercxbq4sjp2xAzv3we.ZOxk51m5V/Bv5bp2H27oVFJl5neFQoC"),
    ("Apache's documentation", "myPassword", "{CRYPT}$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"),
    (PASSLIB, "admin", "{PKCS5S2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p"),
    (
        PASSLIB,
        "password",
        (
            "{PBKDF2-SHA512}1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YT"
            "NJOiKc5gBYFYGww"
        ),
    ),
    (PASSLIB, "password", "{PBKDF2-SHA256}1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
    (PASSLIB, "password", "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS"),
    (PASSLIB, "password", "$bcrypt-sha256$2b,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"),
    (CISCO, "cisco", "$8$dsYGNam3K1SIJO$7nv/35M/qr6t.dVc7UY9zrJDWRVqncHub1PE9UlMQFs"),
    (CISCO, "hashcat", "$8$TnGX/fE4KGHOVU$pEhnEvxrvaynpi8j4f.EMHr6M.FzU8xnZnBr/tJdFWk"),
    (CISCO, "cisco", "$9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSSvyQYwucySCt7qFm4v7pqCxkKM"),
    (CISCO, "123456", "$9$cvWdfQlRRDKq/U$VFTPha5VHTCbSgSUAo.nPoh50ZiXOw1zmljEjXkaq1g"),
    ("yescrypt's tests", "pleaseletmein", "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
    (
        "PyNaCl's documentation",
        "my password",
        "$7$C6..../....qv5tF9KG2WbuMeUOa0TCoqwLHQ8s0TjQdSagne9NvU0$3d218uChMvdvN6EwSvKHMASkZIG51XPIsZQDcktKyN7",
    ),
    (
        "Password4j's tests",
        "password",
        "$s0$e0801$c2FsdA==$dFcxr0SE8yOWiWntoomu7gBbWQOsVh5kpayhIXl793NO+f1YQi4uIhg7ysup7Ie6DIO3oueI8Dzg2gZGNDPNpg==",
    ),
    (
        "DSP-API's tests (Spring's SCryptPasswordEncoder)",
        "test",
        (
            "{scrypt@SpringSecurity_v5_8}$e0801$FGl9FDIWw+D83OeNPGmD9u2VTqIkJopIQECgmb2DSWQLS0TeKSvYoWAkbEv6KxePPlCI3CP9MmVHuvnW"
            "v8/kag==$mlegCYdGXt+ghuo8i0rLjgOiNnGDW604Q5g/v7zwBPU="
        ),
    ),
    ("Apache Fineract", "password", "{SHA-256}{1}5787039480429368bf94732aacc771cd0a3ea02bcf504ffe1185ab94213bc63a"),
    ("zitadel/passwap, md5plain", "password", "{MD5}5f4dcc3b5aa765d61d8327deb882cf99"),
    (LDAP, "cashflow", "{MD5}xq8jwrcfibi0sZdZYNkSng=="),
    (LDAP, "cashflow", "{SHA}YE4eGkN4BvwNN1f5R7CZz0kFn14="),
    (LDAP, "password", "{smd5}gjz+SUSfZaux99Xsji/No200cGI="),
    (LDAP, "pass", "{SSHA256}Yuz0lZnd9xxLQhxgOSuV8b4GlTzeOWKriq9ay51aoLxmb29iYXI="),
    (
        LDAP,
        "openssl_slappasswd.sh",
        "{SSHA384}/0PuiFKwMu6qDH65znVfwmheUB0z9z+pd+MvjTD9kSXKIzoU2tck5d1Eo0dim6Vs8Fdnaq6TlXg=",
    ),
    (
        "a Flask application's test",
        "cheese0!",
        "pbkdf2:sha256:150000$xagwaZzl$c7dcc3b9ec83a7e90737e0836e00fb87a7d05304d4939072d8800783dea80287",
    ),
    (WERKZEUG, "correct horse", "sha256$hW9uBBBA$7a4e1dd8f32fb5200f7fb769089ea159b8d7a47b001f52fa17c9cccbd8d2a53e"),
    (
        WERKZEUG,
        "correct horse",
        (
            "pbkdf2:sha512:1000$NlmWRn6m$700d44de2709d65e0e2519831a700c4672b59a42ab6783b9fee6d311b6829549a4a097e2765cf7400f38271"
            "4cdc57ceee80316accb2105949051c8a229897734"
        ),
    ),
    (
        BETTER_AUTH,
        "correct horse",
        (
            "cfa3e7b97c52ab8b5d638ac7be4d737f:ed6042bd62eea3febdb4f8a3a6c25f14dbfebc285824017cb1a3d00a3754eab1e50c19c21132c1ae05"
            "ce0e3065546fbd7485c792d76bed1568a8f6771abc3f52"
        ),
    ),
    (
        "zitadel/passwap, scrypt",
        "password",
        "$scrypt$ln=16,r=8,p=1$cmFuZG9tc2FsdGlzaGFyZA$Rh+NnJNo1I6nRwaNqbDm6kmADswD1+7FTKZ7Ln9D8nQ",
    ),
    ("zitadel/passwap, drupal7", "password", "$S$ErandomsaOpYrAZqwxGynirQbWYCb3ejW4BwGH81LJcOzbzeVd02"),
    (
        "test.c of argon2's reference implementation, with padding",
        "password",
        "{ARGON2}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ=$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=",
    ),
]


@pytest.mark.parametrize(("source", "password", "text"), KNOWN)
def test_hash_of_another_system_verifies_its_password_only(source: str, password: str, text: str) -> None:
    stored = accepted(text)
    assert accepted(stored) == stored, source
    assert verify(password, stored), source
    assert not verify(f"{password}x", stored), source
    assert not verify(password[:-1], stored), source


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS", r"bcrypt \$2\$ and \$2x\$ hashes are not acc"),
        ("$2a$6$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", "the bcrypt hash is malformed"),
        ("$argon2i$v=18$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A", "the argon2 hash is malformed"),
        (
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
            "yescrypt hashes are not accepted",
        ),
        ("{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "yescrypt"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", r"write \{MD5\} before"),
        ("*E5929347E25F82E19E4EBE92F1DC6B6E7C2DBD29", "MySQL hashes are not accepted"),
        ("SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "SCRAM hashes are not accepted"),
        ("{CLEARTEXT}password-in-the-clear", r"\{CLEARTEXT\} hashes are not accepted"),
        ("{SSHA}tooshort1234", r"the \{SSHA\} hash is malformed"),
        ("AQAAAAkAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", "the ASP.NET Identity hash is malformed"),
        (
            "$pbkdf2-sha512$l=64$c2FsdHNhbHRzYWx0c2FsdA$Byw7nkAtKTXuj81UG53itgTqoZEs8GqToqbceEw3SpRA",
            "PBKDF2 hash is malf",
        ),
        (
            "$scrypt$ln=16385,r=8,p=1$2npRo7P03Mt8keSoMbyD$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=",
            "scrypt hash is",
        ),
    ],
)
def test_hash_that_is_not_accepted_is_refused_by_the_name_of_its_algorithm(text: str, named: str) -> None:
    with pytest.raises(HashRejected, match=named) as rejected:
        accepted(text)
    assert text not in str(rejected.value)
    assert not verify("password", text)


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("$2b$10$U4C0ZY8OG8y41F9LusfKyu3HRMBL0rCZcKBVsXhgr.n8Ou6FPhzO2", False),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", True),
        ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", False),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", True),
        ("$pbkdf2-sha256$600000$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ", False),
        ("$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ", True),
        ("$P$B12345678L6Lpt4BxNotVIMILOa9u81", True),
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", True),
        (
            "{SSHA512}wExp4xjiCHS0zidJDC4UJq9EEeIebAQPJ1PWSwfhxWjfutI9XiiKuHm2AE41cEFfK+8HyI8bh+ztbczUGsvVFIgICWWPt7qu",
            True,
        ),
        ("{MD5}xq8jwrcfibi0sZdZYNkSng==", True),
    ],
)
def test_hash_that_is_quickly_guessed_is_weak(text: str, weak: bool) -> None:
    assert (examined(text).weak is not None) == weak


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([text for _, _, text in KNOWN]), st.data())
def test_damaged_hash_is_refused_or_has_one_form(made: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made)))
    kept = data.draw(st.integers(at, len(made)))
    put = data.draw(st.text(st.sampled_from("$,=./+:!{} \n\0\u00e9\u0663xX09"), max_size=3))
    spoilt = made[:at] + put + made[kept:]
    try:
        stored = accepted(spoilt)
    except HashRejected:
        return
    assert accepted(stored) == stored
