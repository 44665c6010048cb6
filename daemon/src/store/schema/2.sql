-- Version 2: who is registered, and by which certificates.

CREATE TABLE users (
    id         INTEGER PRIMARY KEY, -- of the numbering of sessions
    name       TEXT    NOT NULL,    -- as it was typed
    password   TEXT,                -- its Argon2id hash
    added      INTEGER NOT NULL,    -- milliseconds since 1970
    code       BLOB,                -- SHA-256 of the code of an open join line
    code_until INTEGER,             -- milliseconds since 1970
    code_gives TEXT,                -- 'password' or 'certificate'
    CHECK ((code IS NULL) = (code_until IS NULL) AND (code IS NULL) = (code_gives IS NULL))
) STRICT;

-- Client certificates that were issued here or seen at a login. What is revoked stays until it has
-- long expired.
CREATE TABLE certificates (
    key     BLOB    PRIMARY KEY, -- SHA-256 of its public key
    name    TEXT    NOT NULL,
    until   INTEGER NOT NULL,    -- milliseconds since 1970
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
