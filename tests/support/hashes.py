"""Password hashes of every format whose cost has a bound, at that bound. No password is known to fit any."""

AT_THE_BOUND = {
    "argon2": f"$argon2i$v=19$m=262144,t=2,p=1$c29tZXNhbHQ${'A' * 43}",
    "bcrypt": f"$2b$13${'.' * 53}",
    "scrypt": f"$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ${'A' * 43}",
    "PBKDF2-SHA1": f"$pbkdf2$2000000$c29tZXNhbHQ${'A' * 27}",
    "PBKDF2-SHA256": f"$pbkdf2-sha256$2000000$c29tZXNhbHQ${'A' * 43}",
    "PBKDF2-SHA512": f"$pbkdf2-sha512$1000000$c29tZXNhbHQ${'A' * 86}",
    "SHA-256-crypt": f"$5$rounds=656000$saltstring${'.' * 43}",
    "SHA-512-crypt": f"$6$rounds=656000$saltstring${'.' * 86}",
    "phpass": f"$P$H{'.' * 30}",
    "Drupal": f"$S$G{'.' * 51}",
}
