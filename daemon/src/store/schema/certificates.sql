-- One key may be in certificates for several names. What was revoked before is revoked for every name.
CREATE TABLE certificates_by_name (
    key     BLOB    NOT NULL, -- SHA-256 of its public key
    name    TEXT    NOT NULL,
    until   INTEGER NOT NULL, -- milliseconds since 1970: the latest end that was seen
    revoked INTEGER NOT NULL, -- 0: no; 1: for this name; 2: the key, for every name
    PRIMARY KEY (key, name)
) STRICT, WITHOUT ROWID;
INSERT INTO certificates_by_name SELECT key, name, until, iif(revoked, 2, 0) FROM certificates;
DROP TABLE certificates;
ALTER TABLE certificates_by_name RENAME TO certificates;
